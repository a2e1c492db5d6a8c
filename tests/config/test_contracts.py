"""The seed's own document: generated, whole, without a placeholder, and true of the service that runs."""

import re

import pytest
import yaml

from config import contracts, env
from config.drills import drills
from documents.access import idempotency

SEED = env.BASE_DIR / "tests" / "invariants" / "seed.md"
PAGES = sorted(page.relative_to(env.BASE_DIR) for page in (env.BASE_DIR / "docs").rglob("*.md"))
PLACEHOLDER = re.compile(
    r"\b(TODO|TBD|FIXME|XXX|TBC|lorem ipsum|por definir|por completar|coming soon)\b", re.IGNORECASE
)


def test_the_committed_page_is_what_the_tables_say_now() -> None:
    again = "write it again: make manage ARGS=api_contracts"
    assert contracts.PAGE.read_text(encoding="utf-8") == contracts.page(), again


def test_every_section_of_the_seed_is_filled() -> None:
    wanted = re.findall(r"^## (.+)$", SEED.read_text(encoding="utf-8"), re.MULTILINE)
    parts = re.split(r"^## (.+)\n", contracts.PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert list(sections) == wanted == list(contracts.SECTIONS)
    assert all(len(body.split()) > 10 for body in sections.values())
    assert len(re.findall(r"^\| `(?:GET|POST|PATCH|PUT|DELETE) /", sections["Endpoints"], re.MULTILINE)) > 24
    for line in ("Owner: `Equipo billing-docs`", contracts.DASHBOARD, contracts.TICKET, "docs/04-CHANGELOG.md"):
        assert line in sections["Control operativo verificable"]
        assert line in SEED.read_text(encoding="utf-8")


def test_the_newest_validation_made_every_drill_of_the_table() -> None:
    _date, result = contracts.last_validation()
    count = len(drills.DRILLS)
    again = "validate anew, then: make manage ARGS=api_contracts"
    assert result == f"{count} of {count} drills hold", again


def test_what_the_page_says_of_a_key_is_what_is_done_with_one() -> None:
    told = contracts.PAGE.read_text(encoding="utf-8").partition("\n## Idempotency\n")[2].partition("\n## ")[0]
    asked = dict(re.findall(r"^\| `(\w+ /\S+)` \| (m\w+) have \|$", told, re.MULTILINE))
    stated = {
        f"{method.upper()} {path}": "must" if parameter["required"] else "may"
        for path, methods in yaml.safe_load((env.BASE_DIR / "docs" / "openapi.yaml").read_text("utf-8"))[
            "paths"
        ].items()
        for method, operation in methods.items()
        for parameter in operation.get("parameters", ())
        if parameter["name"] == idempotency.HEADER
    }
    assert asked == stated
    assert set(asked.values()) == {"must", "may"}
    for code in sorted(idempotency.UNSTORED):
        assert f"{code:d}" in told


def test_the_date_is_that_of_the_newest_validation(tmp_path_factory: pytest.TempPathFactory) -> None:
    log = tmp_path_factory.mktemp("log") / "log.md"
    entry = "## Operational validation {date} 10:00:00 UTC\n- Owner: `x`\n- Ticket: `y`\n- Result: {result}\n"
    log.write_text(entry.format(date="2026-01-02", result="9 of 9") + entry.format(date="2026-03-04", result="8 of 9"))
    assert contracts.last_validation(changelog=log) == ("2026-03-04", "8 of 9")
    log.write_text("# Changelog\n")
    with pytest.raises(LookupError):
        contracts.last_validation(changelog=log)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_no_placeholder_stands_in_the_docs(page: object) -> None:
    text = (env.BASE_DIR / str(page)).read_text(encoding="utf-8")
    assert PLACEHOLDER.findall(text) == []
