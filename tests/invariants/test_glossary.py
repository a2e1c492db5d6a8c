"""docs/glossary.md is true: each code name exists, each Spanish word is one that people read, no state or kind lacks."""

import re
from collections.abc import Iterator

import pytest
from django.db import models
from django.utils import translation

import documents.models
import payouts.models
from config import env
from documents import errors
from documents.access import roles
from documents.countries import pack
from documents.sentences import faults, writing
from tests.invariants import naming

PAGE = (env.BASE_DIR / "docs" / "glossary.md").read_text(encoding="utf-8")
TERMS, _, FAMILIES = PAGE.partition("## Families of codes")
ROW = re.compile(r"^\| (?P<es>[^|]+) \| (?P<en>[^|]+) \| (?P<code>`[^|]+) \|$", re.MULTILINE)
ROWS = [(row["es"], row["en"], re.findall(r"`([^`]+)`", row["code"])) for row in ROW.finditer(TERMS)]


def texts() -> str:
    """Return everything in Spanish that people read: screens, mails, pages, documents, errors."""
    paths = [
        env.BASE_DIR / "locale" / "en" / "LC_MESSAGES" / "django.po",
        *(env.BASE_DIR / "templates").rglob("*.html"),
        *(env.BASE_DIR / "documents" / "rendering").glob("*.py"),
    ]
    packs = [
        words.es for one in pack.registry().values() for words in (one.name, *one.titles.values(), *one.labels.values())
    ]
    read = [path.read_text(encoding="utf-8") for path in paths]
    written = [words.es for words in (*writing.TABLE.values(), *faults.CAUSES.values())]
    tables = [*(row.es for row in errors.CODES.values()), *written]
    return "\n".join([*read, *packs, *tables]).lower()


TEXTS = texts()
# What would say a term of the glossary by another's word, or another term by its; and what to say.
NOT_IN_SPANISH = {
    r"retenci(?:ón|ones)\b(?! fiscal)": "retención fiscal, or conservar: alone it is both",
    r"\bfolios?\b": "número",
    r"\b(?:chofer|chófer|repartidor|rider)(?:es|s)?\b": "conductor/a",
    r"\bjustificantes?\b": "documento, recibo",
    r"\bregistro de auditoría\b": "bitácora",
    r"\b(?:enlace firmado|link seguro)\b": "enlace seguro",
}
NOT_IN_ENGLISH = {
    r"\b(?:tax|income|wage) retentions?\b|\bretention (?:tax|at source)\b|\bretained tax(?:es)?\b": "withholding",
    r"\b(?:withhold|withholding) (?:until|period of documents)\b": "retain until",
    r"\bfolios?\b": "number",
    r"\b(?:audit trail|audit journal)\b": "audit log",
    r"\b(?:couriers?|riders)\b": "driver",
    r"\b(?:signed URL|magic link|presigned (?:URL|link))s?\b": "link",
    r"\b(?:merchants?|vendors?)\b": "partner",
    r"\binvoices? (?:number|series|key)\b": "document",
}
# The law's own names, and a column below the heading "Retención fiscal".
LAWS_OWN = re.compile(r"retención (?:en la fuente|de honorarios)|>retención</th>")
PAGES = [
    path
    for pattern in ("*.md", "*/README.md", "docs/**/*.md")
    for path in env.BASE_DIR.glob(pattern)
    if not {"var", ".venv"} & set(path.relative_to(env.BASE_DIR).parts)
]


def choices() -> Iterator[tuple[str, str]]:
    """Yield each member of a closed list of the models with what people read."""
    with translation.override("es"):
        for module in (documents.models, payouts.models):
            for name, value in vars(module).items():
                if isinstance(value, type) and issubclass(value, models.TextChoices):
                    yield from ((f"{name}.{member.name}", str(member.label)) for member in value)


@pytest.mark.parametrize("name", sorted({name for _, _, names in ROWS for name in names}))
def test_a_code_name_of_the_glossary_exists(name: str) -> None:
    assert naming.resolve(name) is not None


@pytest.mark.parametrize("word", sorted({word for es, _, _ in ROWS for word in es.split(", ")} - {"—"}))
def test_a_spanish_word_of_the_glossary_is_read_by_people(word: str) -> None:
    assert word.lower() in TEXTS


def test_nobody_reads_a_word_that_the_glossary_gives_to_another() -> None:
    read = LAWS_OWN.sub("", TEXTS)
    assert {word: found for word in NOT_IN_SPANISH if (found := re.findall(rf".*?(?:{word})", read))} == {}


def test_no_page_says_a_word_that_the_glossary_gives_to_another() -> None:
    said = {
        f"{path.relative_to(env.BASE_DIR)}: {found[0]}": instead
        for path in PAGES
        for word, instead in NOT_IN_ENGLISH.items()
        for found in re.finditer(word, path.read_text(encoding="utf-8"), re.IGNORECASE)
    }
    assert said == {}


def test_every_state_and_kind_is_in_the_glossary_as_people_read_it() -> None:
    written = {name: es for es, _, names in ROWS for name in names}
    assert [(name, label) for name, label in choices() if written.get(name) != label] == []


def test_every_role_is_in_the_glossary() -> None:
    assert {f"access.roles.Role.{role.name}" for role in roles.Role} <= {name for _, _, names in ROWS for name in names}


def test_no_word_of_the_glossary_has_two_rows() -> None:
    terms = [
        term.strip()
        for _, en, names in ROWS
        if not names[0].partition(".")[0].endswith(("Status", "State", "Kind", "Channel"))
        for term in re.split(r", | and ", en.partition(":")[0].partition(";")[0])
    ]
    assert sorted(terms) == sorted(set(terms))


def test_every_family_has_codes_and_something_that_raises_them() -> None:
    rows = [(re.findall(r"`(\w+)_\*`", row["es"]), row["code"].strip("`")) for row in ROW.finditer(FAMILIES)]
    assert len(rows) > 5
    for families, raised_by in rows:
        assert naming.resolve(raised_by) is not None
        for family in families:
            assert any(code.startswith(f"{family}_") for code in errors.CODES), family
