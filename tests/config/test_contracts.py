"""The seed's own document: generated, whole, without a placeholder, and true of the service that runs."""

import json
import pathlib
import re

import pytest
import yaml

from config import contracts, env
from config.drills import drills, record
from documents.access import idempotency

SEED = env.BASE_DIR / "tests" / "invariants" / "seed.md"
PAGES = sorted(
    page.relative_to(env.BASE_DIR)
    for pattern in ("*.md", "*/README.md", "docs/**/*.md")
    for page in env.BASE_DIR.glob(pattern)
    if not {"var", ".venv"} & set(page.relative_to(env.BASE_DIR).parts)
)
PLACEHOLDER = re.compile(
    r"\b(TODO|TBD|TBA|TBC|WIP|FIXME|XXX+|lorem|ipsum|coming soon|to be (?:defined|determined|supplied)"
    r"|fill (?:me|this) in|por (?:definir|completar|determinar|rellenar)|pendiente de (?:definir|completar|redactar))\b"
    r"|\?{3}|\[(?:insert|inserte|your|tu) [^\]]*\]",
    re.IGNORECASE,
)
HEADING = re.compile(r"^(#+) .+$", re.MULTILINE)


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


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_heading_of_the_docs_has_something_below_it(page: object) -> None:
    text = re.sub(r"^```.*?^```", "text", (env.BASE_DIR / str(page)).read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    found = [*HEADING.finditer(text)]
    ends = [*(heading.start() for heading in found[1:]), len(text)]
    depths = [*(len(heading[1]) for heading in found[1:]), 0]
    assert [
        heading[0]
        for heading, end, depth in zip(found, ends, depths, strict=True)
        if depth <= len(heading[1]) and not text[heading.end() : end].strip()
    ] == []


def test_what_the_seed_says_of_control_stands_in_its_section_and_in_each_entry() -> None:
    seed, page = (section_of(path=path) for path in (SEED, contracts.PAGE))
    for line in re.findall(r"^ *- (?:Owner|Ticket|`Ticket|`Bit).*$", seed, re.MULTILINE):
        assert line in page
    assert f"Owner: `{record.OWNER}`" in seed
    assert contracts.TICKET.rpartition("/")[2] == record.TICKET
    assert f"Ticket JIRA: {record.TICKET}`" in seed
    assert re.search(r"^- Fecha de última validación: \d{4}-\d\d-\d\d \(UTC\), ", page, re.MULTILINE)
    entries = contracts.CHANGELOG.read_text(encoding="utf-8").split("\n## Operational validation ")[1:]
    assert len(entries) >= 2
    for entry in entries:
        assert re.match(r"\d{4}-\d\d-\d\d [\d:]+ UTC\n", entry)
        assert f"- Owner: `{record.OWNER}`\n- Ticket: `{record.TICKET}`\n" in entry
        assert re.search(r"^\| idempotent_replay \| .+ \| holds \| [\d.]+ \| event evt_\w+", entry, re.MULTILINE)


def test_the_customers_addresses_are_marked_as_his_and_lead_to_our_evidence() -> None:
    seed, page = (section_of(path=path) for path in (SEED, contracts.PAGE))
    marked = (
        "- Dashboards o tickets (addresses of the customer's own servers; the dashboard is `ops/dashboard.json`):\n"
    )
    assert f"{marked}  - `{contracts.DASHBOARD}`\n  - `{contracts.TICKET}`\n" in page
    assert f"  - `{contracts.DASHBOARD}`\n  - `{contracts.TICKET}`" in seed
    rows = [line for line in contracts.TRACEABILITY.read_text("utf-8").splitlines() if "| `https://" in line]
    assert ["; the address is the customer's |" in row for row in rows] == [True, True]
    held = json.loads((env.BASE_DIR / "ops" / "dashboard.json").read_text(encoding="utf-8"))
    assert held["uid"] == contracts.DASHBOARD.split("/")[-2]


def section_of(*, path: pathlib.Path) -> str:
    """Return what a page says under "Control operativo verificable"."""
    return path.read_text(encoding="utf-8").partition("\n## Control operativo verificable\n")[2].partition("\n## ")[0]
