import ast
import datetime as dt
import pathlib
import re

import pytest
from django.conf import settings
from django.utils import translation

from audit import labels
from audit.actions import Action
from documents.admin import cells, rights, search

SOURCES = [
    path
    for folder in ("audit", "config", "documents/admin", "payouts")
    for path in (settings.BASE_DIR / folder).rglob("*.py")
    if "migrations" not in path.parts
]
TEMPLATES = [
    path for folder in ("admin", "unfold") for path in (settings.BASE_DIR / "templates" / folder).rglob("*.html")
]
# Spelt alike in both languages.
SAME = {
    "API",
    "Control",
    "DEMO",
    "Legal hold",
    "Legal holds",
    "Message-ID",
    "P1",
    "P2",
    "PostgreSQL",
    "Redis",
    "Series",
    "TEST",
    "Total",
    "id",
    "no",
    "webhook",
}
GETTEXT = {"_", "gettext", "gettext_lazy"}


def _called_with(path: pathlib.Path) -> set[str]:
    """Return the texts that a module hands to gettext."""
    return {
        node.args[0].value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in GETTEXT
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


def _translated_in(path: pathlib.Path) -> set[str]:
    """Return the texts of a template's `translate` tags."""
    return {found[1] for found in re.findall(r"{%\s*translate\s+(['\"])(.+?)\1", path.read_text(encoding="utf-8"))}


def test_every_action_of_the_log_has_its_words() -> None:
    assert set(labels.LABELS) == set(Action)


def test_an_action_of_a_later_version_is_shown_as_it_is() -> None:
    assert labels.label("document.teleported") == "document.teleported"


def test_no_text_that_staff_reads_stays_spanish_in_english() -> None:
    texts = {text for path in SOURCES for text in _called_with(path)} | {
        text for path in TEMPLATES for text in _translated_in(path)
    }
    with translation.override("en"):
        left = sorted(text for text in texts if translation.gettext(text) == text and text not in SAME)
    assert left == []


def test_every_refusal_says_which_right_is_missing_and_who_has_it() -> None:
    assert {"staff", "see", "reveal", "pdf", "send", "retry", "acknowledge", "audit", "scope", "reason"} <= set(
        rights.WORDS
    )


@pytest.mark.parametrize(
    ("minor", "currency", "spanish", "english"),
    [
        (268459, "EUR", "2.684,59 EUR", "2,684.59 EUR"),
        (-440, "EUR", "-4,40 EUR", "-4.40 EUR"),
        (0, "MXN", "0,00 MXN", "0.00 MXN"),
        (4500, "CLP", "4.500 CLP", "4,500 CLP"),
        (10**15, "EUR", "10.000.000.000.000,00 EUR", "10,000,000,000,000.00 EUR"),
        (None, "EUR", "—", "—"),
    ],
)
def test_an_amount_is_written_as_its_reader_writes_it(
    minor: int | None, currency: str, spanish: str, english: str
) -> None:
    with translation.override("es"):
        assert cells.amount_text(minor=minor, currency=currency) == spanish
    with translation.override("en"):
        assert cells.amount_text(minor=minor, currency=currency) == english


@pytest.mark.parametrize("name", ["Ana Ruiz Pardo", "Íñigo Muñoz", "X", "  Ana   Gil ", "María-José"])
def test_a_masked_name_keeps_one_letter_a_word_and_hides_the_rest(name: str) -> None:
    masked = cells.mask_name(name)
    for whole, hidden in zip(name.split(), masked.split(), strict=True):
        assert hidden[0] == whole[0]
        assert set(hidden[1:]) <= {cells.DOT}
        assert len(hidden) >= 3


@pytest.mark.parametrize(
    ("whole", "masked"), [("12345678Z", "••••••78Z"), ("AB1", "••••"), ("", ""), ("123456", "••••")]
)
def test_a_masked_tax_id_shows_its_end_only_where_most_of_it_stays_hidden(whole: str, masked: str) -> None:
    assert cells.mask_end(whole) == masked


def test_a_masked_address_tells_neither_name_nor_host() -> None:
    assert cells.mask_email("ana.ruiz@example.com") == "a•••@e•••"
    assert "ruiz" not in cells.mask_email("ruiz")


def test_a_state_is_never_told_by_colour_alone() -> None:
    for name in cells.STATES:
        shown = cells.state(name)
        assert re.search(r'aria-hidden="true">.+?</span>\s*\S', shown), name


def test_a_moment_keeps_its_exact_value_for_whoever_points_at_it() -> None:
    shown = cells.moment(dt.datetime(2026, 11, 20, 12, 0, 5, tzinfo=dt.UTC))
    assert 'datetime="2026-11-20T12:00:05+0000"' in shown
    assert "2026-11-20 12:00:05 UTC" in shown


@pytest.mark.parametrize("term", ["", "x", " "])
def test_a_term_too_short_to_mean_anything_means_nothing(term: str) -> None:
    assert search.condition(term=term) is None
