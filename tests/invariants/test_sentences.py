"""No program reads a sentence: what is stored is codes with values, and one table a rule writes them for people."""

import ast
import datetime as dt
import string
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import apps

from config import env
from documents import errors
from documents.alerts import catalog, channel, discrepancy_catalog
from documents.countries.sources import Words
from documents.events import envelope
from documents.models import Alert
from documents.resilience import dependencies
from documents.sentences import faults, writing
from payouts.reconciliation.checks import FindingCode
from tests.payouts import making

FLOORS = ("audit", "config", "documents", "payouts")
FAULTS = {"Problem", "WormError", "Fault", "problem_at"}  # what makes a problem or fault, by the name that is called
PLACE = frozenset({"place"})  # of a fault: its pointer
ADDED = {"tax_id_invalid": {"party"}}  # by whoever knows whose it is


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call in the sources with a literal code: its values' names, None where they are not written out."""

    where: str
    code: str
    cause: str
    names: frozenset[str] | None


def _trees() -> Iterator[tuple[str, ast.Module]]:
    for floor in FLOORS:
        for path in sorted((env.BASE_DIR / floor).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path.relative_to(env.BASE_DIR).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def _named(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _literal(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _values(node: ast.expr | None) -> tuple[str, frozenset[str] | None]:
    """Return the cause among the values of a call, and their names where all are written out."""
    if node is None:
        return "", frozenset()
    if not isinstance(node, ast.Dict):
        return "", None
    pairs = [(_literal(key), value) for key, value in zip(node.keys, node.values, strict=True)]
    cause = next((_literal(value) for name, value in pairs if name == "cause"), "")
    names = [name for name, _value in pairs]
    return cause or "", frozenset(name for name in names if name) if None not in names else None


def calls(*names: str) -> Iterator[Call]:
    for where, tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _named(node.func) in names:
                given = {keyword.arg: keyword.value for keyword in node.keywords}
                code = _literal(given.get("code"))
                if code is not None:
                    cause, known = _values(given.get("values"))
                    yield Call(where=f"{where}:{node.lineno}", code=code, cause=cause, names=known)


def placeholders(text: str) -> set[str]:
    return {name for _text, name, _form, _conversion in string.Formatter().parse(text) if name}


def literals() -> set[str]:
    return {
        node.value
        for where, tree in _trees()
        if not where.startswith("documents/sentences/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


ROWS: Mapping[str, Words] = {
    **writing.TABLE,
    **{
        f"alert {code} {cause}": words for code, row in catalog.ALERTS.items() for cause, words in row.sentences.items()
    },
    **{
        f"discrepancy {code} {cause}": words
        for code, row in discrepancy_catalog.DISCREPANCIES.items()
        for cause, words in row.sentences.items()
    },
}


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_sentence_names_the_same_values_in_both_languages_in_forms_that_exist(name: str) -> None:
    row = ROWS[name]
    assert placeholders(row.es) == placeholders(row.en)
    assert row.es != row.en or not row.es.strip("{}:.abcdefghijklmnopqrstuvwxyz_ ")
    for text in (row.es, row.en):
        forms = {form for _text, _name, form, _conversion in string.Formatter().parse(text) if form}
        assert forms <= set(writing.FORMS)


def test_every_problem_and_fault_has_a_sentence_whose_values_it_gives() -> None:
    wrong = []
    for call in calls(*FAULTS):
        row = writing.TABLE.get(f"{call.code}.{call.cause}") or writing.TABLE.get(call.code)
        if call.names is None and any(name.startswith(f"{call.code}.") for name in writing.TABLE):
            continue  # what it is about chooses the cause
        if row is None and (call.code not in errors.CODES or call.cause):
            wrong.append((call.where, call.code, call.cause, "no sentence"))
        elif row is not None and call.names is not None and (call.names or call.code not in errors.CODES):
            missing = placeholders(row.es) - call.names - PLACE - ADDED.get(call.code, set())
            if missing:
                wrong.append((call.where, call.code, call.cause, f"not given: {sorted(missing)}"))
    assert wrong == []


def test_every_sentence_is_of_a_code_and_a_cause_that_something_names() -> None:
    said = literals()
    idle = [
        name
        for name in writing.TABLE
        if not name.startswith("diagnosis.") and not set(name.split(".")) <= said | PYDANTIC
    ]
    assert idle == []
    assert set(faults.CAUSES) <= said


def test_nothing_that_stores_or_decides_knows_a_sentence() -> None:
    """The rooms that import no sentence have no `detail` either: neither a name, nor a member of what is stored."""
    settings = tomllib.loads((env.BASE_DIR / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (row for row in settings["tool"]["importlinter"]["contracts"] if row["id"] == "sentences")
    rooms = tuple(name.replace(".", "/") for name in contract["source_modules"])
    known = [
        f"{where}:{getattr(node, 'lineno', 0)}"
        for where, tree in _trees()
        if where.startswith(rooms)
        for node in ast.walk(tree)
        if "detail" in {getattr(node, name, "") for name in ("id", "attr", "arg", "value")}
    ]
    assert known == []
    fields = {f"{model.__name__}.{field.name}" for model in apps.get_models() for field in model._meta.get_fields()}
    assert {name for name in fields if name.endswith((".detail", ".sentence", ".message"))} == {"Event.detail"}


# -- what a schema finds --

# Codes of pydantic's own, which no source of ours names.
PYDANTIC = {
    "missing", "extra_forbidden", "string_type", "string_pattern_mismatch", "literal_error", "list_type", "dict_type",
    "model_type", "model_attributes_type", "too_short", "too_long", "string_too_long",
}  # fmt: skip
EVENTS = [
    making.payment("pay_1", "11.00", [making.line("10.00", tax="IVA10")]),
    making.refund("rf_1", "pay_1", [making.line("1.00")]),
    making.order("ord_1", lines=[making.line("10.00")], cash_collected="1.00"),
    making.adjustment("adj_1", "ord_1"),
    making.payout("po_1", "5.00", orders=["ord_1"]),
    making.period_closed("po_2", orders=["ord_1"], closing="5.00"),
    making.reversal("po_1", "5.00"),
]
WRONG = [
    7,
    1.5,
    True,
    "",
    " ",
    "x" * 9000,
    "\x00",
    "\u202e",
    "e" + "\u0301" * 30,
    "-1.00",
    "1e3",
    "1.234",
    [],
    {},
    [1] * 9000,
]


def _spoilt(value: object) -> Iterator[Any]:
    """Yield a value with each of its parts replaced, dropped or joined by a stranger."""
    yield from WRONG
    if isinstance(value, dict):
        yield {**value, "stranger": "1"}
        for name, part in value.items():
            yield {key: item for key, item in value.items() if key != name}
            for spoilt in _spoilt(part):
                yield {**value, name: spoilt}
    if isinstance(value, list) and value:
        yield [*value, value[0]]
        for spoilt in _spoilt(value[0]):
            yield [spoilt, *value[1:]]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: str(event["type"]))
def test_whatever_a_schema_finds_has_a_sentence_with_its_values(event: dict[str, Any]) -> None:
    now = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    unsaid = set()
    for spoilt in _spoilt(event):
        try:
            envelope.parse(payload=spoilt, now=now)
        except errors.Problem as problem:
            for fault in problem.errors:
                row = writing.TABLE.get(fault.code)
                if row is None or placeholders(row.es) - set(fault.values) - PLACE:
                    unsaid.add((fault.code, tuple(fault.values)))
    assert unsaid == set()


# -- alerts and discrepancies --


def test_every_alert_that_is_opened_has_a_row_whose_values_it_gives() -> None:
    wrong = []
    for call in calls("open_alert", "open_alert_or_send"):
        row = catalog.ALERTS.get(call.code)
        words = (row.sentences.get(call.cause) or row.sentences.get("")) if row else None
        if (
            row is None
            or (words is None and call.names is not None and "cause" not in call.names)
            or (words is not None and call.names is not None and placeholders(words.es) - call.names)
        ):
            wrong.append((call.where, call.code))
    assert wrong == []


def test_every_row_of_the_alerts_is_opened_by_something() -> None:
    rules = (env.BASE_DIR / "ops" / "alerts.yml").read_text(encoding="utf-8")
    said = literals() | {f"dependency_{name}" for name in dependencies.DEPENDENCIES}
    worm = {code for code in errors.CODES if code.startswith("worm_")}  # with the code of what went wrong
    assert [code for code in catalog.ALERTS if code not in said | worm and f"#{code}" not in rules] == []


def test_the_discrepancies_that_are_opened_are_the_ones_of_the_table() -> None:
    opened = {call.code for call in calls("open_one")} | set(FindingCode)
    assert opened == set(discrepancy_catalog.DISCREPANCIES)


def test_an_alert_of_an_earlier_version_is_shown_as_it_was_written() -> None:
    old = Alert(code="event_held", severity="P2", values={"text": "PAYOUT_SENT evt_1 is held: totals_mismatch"})
    assert channel.sentence(alert=old, language="es") == "PAYOUT_SENT evt_1 is held: totals_mismatch"
    assert channel.sentence(alert=Alert(code="of_a_later_version", values={}), language="en") == "of_a_later_version"


def test_an_alert_is_said_in_both_languages() -> None:
    alert = Alert(code="event_held", severity="P2", values={"type": "X", "event": "e", "cause": "payee_mismatch"})
    assert channel.sentence(alert=alert, language="es") == "X e está retenido: El beneficiario no corresponde."
    assert channel.sentence(alert=alert, language="en") == "X e is held: The payee is not the beneficiary."


# -- writing --


def test_a_fault_of_an_earlier_version_is_shown_as_it_was_written_and_a_diagnosis_in_the_readers_language() -> None:
    stored = [
        {"pointer": "/data/payout/amount", "code": "difference", "detail": "-0.01"},
        {"pointer": "/data", "code": "diagnosis", "detail": "Faltan 0,01 EUR."},
        {"pointer": "/data", "code": "diagnosis_en", "detail": "0.01 EUR short."},
    ]
    said = {
        language: [fault["detail"] for fault in writing.answered(stored=stored, language=language)]
        for language in ("es", "en")
    }
    assert said == {"es": ["-0.01", "Faltan 0,01 EUR."], "en": ["-0.01", "0.01 EUR short."]}


@pytest.mark.parametrize(
    ("values", "es", "en"),
    [
        ({"who": ["a"]}, "a", "a"),
        ({"who": ["a", "b"]}, "a o b", "a or b"),
        ({"who": ["a", "b"], "more": 1498}, "a, b o 1.498 más", "a, b or 1,498 more"),
        ({"who": ["a", "b", "c"]}, "a, b o 1 más", "a, b or 1 more"),
        ({"who": ["adj"], "of": ["ord"]}, "adj de ord", "adj of ord"),
        ({"who": ["x", "y"], "also": ["z", ""]}, "x y z o y", "x and z or y"),
    ],
)
def test_names_are_joined_and_counted(values: dict[str, object], es: str, en: str) -> None:
    row = Words(es="{who:either}", en="{who:either}")
    assert (
        writing.fill(row=row, values=values, language="es"),
        writing.fill(row=row, values=values, language="en"),
    ) == (
        es,
        en,
    )


def test_amounts_are_written_as_their_country_does_and_a_missing_value_is_a_dash() -> None:
    values = {"size": "1234.50", "currency": "MXN", "country": "MX"}
    row = Words(es="{size:amount} {gone}", en="{size:amount} {gone:amount}")
    assert writing.fill(row=row, values=values, language="es") == "1,234.50 MXN —"
    assert (
        writing.fill(row=row, values=values | {"country": "ES", "currency": "EUR"}, language="es") == "1.234,50 EUR —"
    )
    assert writing.fill(row=row, values=values, language="en") == "1,234.50 MXN —"
    assert writing.fill(row=Words(es="{x}", en="{x}"), values={"x": "{y}"}, language="es") == "{y}"


def test_what_is_stored_of_a_fault_stays_bounded() -> None:
    fault = errors.Fault(pointer="/x", code="x", values={"text": "x" * 9999, "names": ["y" * 9999] * 9999, "count": 1})
    values = fault.as_json()["values"]
    assert isinstance(values, dict)
    assert (len(values["text"]), len(values["names"]), len(values["names"][0])) == (200, 50, 200)
