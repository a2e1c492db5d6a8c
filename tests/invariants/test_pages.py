"""What a page lists is whole: the rooms of a floor, the folders of tests, the decisions, the alerts of a runbook."""

import pathlib
import re

import pytest

from config import env
from documents.alerts import catalog
from tests.invariants.test_laws import files
from tests.invariants.test_names_in_docs import is_word

ROOT = env.BASE_DIR
UNSAID = {"__init__.py", "apps.py", "migrations", "admin", "static"}


@pytest.mark.parametrize("floor", ["audit", "config", "documents", "payouts"])
def test_a_floors_page_names_each_of_its_rooms_and_modules(floor: str) -> None:
    text = (ROOT / floor / "README.md").read_text(encoding="utf-8")
    inside = [path for path in (ROOT / floor).iterdir() if (path / "__init__.py").exists() or path.suffix == ".py"]
    names = [path.name + "/" * path.is_dir() for path in inside if path.name not in UNSAID]
    if floor == "payouts":  # its rooms are small: the page names each module of them
        names += [path.name for path in (ROOT / floor).glob("*/*.py") if path.parent.name not in UNSAID]
    assert [name for name in names if name not in UNSAID and name.rstrip("/") not in text] == []


def test_the_page_about_testing_says_what_each_folder_proves() -> None:
    text = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    inside = [path for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"]
    folders = {f"tests/{path.name}" for path in inside if any(path.glob("*.*"))}
    assert {folder for folder in folders if f"`{folder}`" not in text} == set()


def test_the_list_of_decisions_has_a_row_for_each_record() -> None:
    folder = ROOT / "docs" / "decisions"
    rows = re.findall(
        r"^\| \[\d{4}\]\(([\w-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert rows == sorted(path.name for path in folder.glob("0*.md"))


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "runbooks").glob("*.md")), ids=lambda path: path.name)
def test_every_heading_of_a_runbook_is_an_alert_that_leads_there(page: pathlib.Path) -> None:
    for code in re.findall(r"^## (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
        assert catalog.runbook(code=code) == f"docs/runbooks/{page.name}#{code}"
        assert is_word(code) or is_word(code.removeprefix("dependency_")), code


def test_a_runbook_says_of_which_alerts_nothing_raises_them_yet() -> None:
    tables = ("documents/alerts/incidents.py", "documents/errors.py")
    raising = [path for path in files() if path.relative_to(ROOT).as_posix() not in tables]
    raised = "\n".join(path.read_text(encoding="utf-8") for path in [*raising, ROOT / "ops" / "alerts.yml"])
    for page in (ROOT / "docs" / "runbooks").glob("*.md"):
        for section in page.read_text(encoding="utf-8").split("\n## ")[1:]:
            code = section.partition("\n")[0]
            known = f'"{code}"' in raised or f"#{code}\n" in raised or code.startswith("dependency_")
            assert known != ("Nothing raises this yet" in section), code
