"""A way out of being held: finance tries events again, one, several or all of a code; what comes wakes the rest."""

import datetime as dt
import json
import pathlib
import re

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db.models import F
from django.test import Client
from django.utils import timezone

from audit.models import Event as LogEvent
from documents.events import intake, waiting
from documents.models import Document, Event, EventStatus, Series
from documents.operations import numbers
from payouts.review import retrying
from tests import cast
from tests.documents import center
from tests.payouts import making, telling
from tests.services import force

pytestmark = pytest.mark.django_db
HOME = f"{center.ADMIN}payouts/conciliar/"
SEVERAL = f"{HOME}retry/"
NEW = {
    "slug": "nueva-es",
    "country": "ES",
    "legal_name": "Nueva Empresa, S.L.",
    "tax_id": "B12345674",
    "address": "Calle Mayor 1, Madrid",
    "code": "NES",
}


@pytest.fixture(autouse=True)
def _house() -> None:
    cache.clear()  # the sidebar's counts are kept for a minute
    telling.issuers()


@pytest.fixture
def fina() -> cast.Member:
    return center.staff(roles=["finance"], countries=["ES"], name="fina")


def _unknown_issuer(*names: str) -> list[Event]:
    """Orders of an issuer that nobody has added, held."""
    orders = [making.order(name) | {"issuer": NEW["slug"], "id": f"evt_{name}"} for name in names]
    assert telling.told(orders) == ["held"] * len(orders)
    return list(Event.objects.filter(code="issuer_unknown").order_by("pk"))


def _add_issuer(folder: pathlib.Path) -> None:
    file = folder / "issuers.json"
    file.write_text(json.dumps(NEW), encoding="utf-8")
    call_command("add_issuer", str(file))


def _add_issuer_unseen(folder: pathlib.Path) -> None:
    """Add it as somebody does who wakes nothing: what is held is left to a person."""
    _add_issuer(folder)
    Event.objects.update(next_try_at=None)


def _work() -> None:
    """Do what the worker does now."""
    for pk in waiting.due(now=timezone.now(), limit=100):
        intake.resume(event_id=pk, now=timezone.now())


def _states() -> list[tuple[str, str]]:
    return list(Event.objects.order_by("pk").values_list("status", "code"))


def _said(browser: Client, address: str = HOME) -> str:
    return re.sub(r"\s+", " ", browser.get(address).content.decode())


def _retried() -> list[tuple[str, str, str]]:
    rows = LogEvent.objects.filter(action="event.retried").order_by("pk")
    return list(rows.values_list("object_id", "code", "actor_id"))


def test_one_is_tried_again_from_the_list_and_its_outcome_is_said(fina: cast.Member, tmp_path: pathlib.Path) -> None:
    [event] = _unknown_issuer("ord_1")
    browser, place = center.client(member=fina), f"{HOME}event/{event.public_id}/retry/"
    assert place in _said(browser)
    assert place in _said(browser, f"{center.ADMIN}documents/event/{event.public_id}/")
    assert "No puede duplicarse" in _said(browser, place)
    assert _retried() == []  # asking is not acting
    assert browser.post(place)["Location"] == HOME
    assert "Emitidos: 0. Siguen retenidos: 1." in _said(browser)
    assert _states() == [("held", "issuer_unknown")]
    _add_issuer_unseen(tmp_path)
    assert browser.post(place)["Location"] == HOME
    text = _said(browser)
    assert "Emitidos: 1. Siguen retenidos: 0." in text
    assert "Nada por conciliar" in text
    assert _states() == [("processed", "")]
    assert _retried() == [(event.public_id, "issuer_unknown", f"usr_{fina.user.pk}")] * 2
    assert browser.post(place).status_code == 409  # it is over


def test_several_are_tried_again_and_no_other(fina: cast.Member, tmp_path: pathlib.Path) -> None:
    first, second, third = _unknown_issuer("ord_1", "ord_2", "ord_3")
    _add_issuer_unseen(tmp_path)
    browser = center.client(member=fina)
    text = _said(browser)
    assert text.count('type="checkbox" form="retry"') == 3
    assert browser.post(SEVERAL, {"event": [third.public_id, first.public_id]})["Location"] == HOME
    assert "Emitidos: 2. Siguen retenidos: 0." in _said(browser)
    assert [status for status, _code in _states()] == ["processed", "held", "processed"]
    assert [row[0] for row in _retried()] == [first.public_id, third.public_id]  # in the order in which they came
    assert second.public_id in _said(browser)


def test_all_of_a_code_are_tried_again(fina: cast.Member, tmp_path: pathlib.Path) -> None:
    _unknown_issuer("ord_1", "ord_2")
    telling.told([making.payment("pay_1", "9.99", [making.line("10.00")])])
    _add_issuer_unseen(tmp_path)
    browser = center.client(member=fina)
    assert "todos los de «Emisor desconocido» (2)" in _said(browser)
    browser.post(SEVERAL, {"code": "issuer_unknown"})
    assert "Emitidos: 2." in _said(browser)
    browser.cookies["django_language"] = "en"
    assert re.search(r"all of “[^”]+” \(1\)", _said(browser))
    browser.post(SEVERAL, {"code": "totals_mismatch"})
    assert "Issued: 0. Still held: 1." in _said(browser)


def test_what_there_is_no_time_for_is_left_to_the_workers(
    fina: cast.Member, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _unknown_issuer("ord_1", "ord_2")
    _add_issuer_unseen(tmp_path)
    monkeypatch.setattr(retrying, "AT_ONCE_S", 0.0)
    browser = center.client(member=fina)
    browser.post(SEVERAL, {"code": "issuer_unknown"})
    assert "Siguen retenidos: 0. En cola, se prueban en unos minutos: 2." in _said(browser)
    _work()
    assert _states() == [("processed", "")] * 2


def test_one_that_waits_now_or_asks_for_nothing_more_is_not_said_to_be_issued(fina: cast.Member) -> None:
    telling.told([making.order("ord_1"), making.payout("po_1", "9.00", orders=["ord_1"])])
    held = Event.objects.get(status=EventStatus.HELD)
    body = json.dumps(making.payout("po_1", "9.00", orders=["ord_1", "ord_2"])).encode()
    with force.by_force():
        Event.objects.filter(pk=held.pk).update(body=body)
    browser = center.client(member=fina)
    browser.post(SEVERAL, {"event": [held.public_id]})
    assert "Emitidos: 0. Siguen retenidos: 0. En espera de otro evento: 1." in _said(browser)


def test_nothing_chosen_and_what_is_not_ones_own_is_not_tried(fina: cast.Member, tmp_path: pathlib.Path) -> None:
    [event] = _unknown_issuer("ord_1")
    _add_issuer_unseen(tmp_path)
    mexico = center.client(member=center.staff(roles=["finance"], countries=["MX"], name="mexico"))
    chosen = ({"event": [event.public_id]}, {"code": "issuer_unknown"})
    for browser, asked in [(center.client(member=fina), {}), *((mexico, each) for each in chosen)]:
        answer = browser.post(SEVERAL, asked)
        assert answer.status_code == 409
        assert "Elige al menos un evento retenido." in answer.content.decode()
    assert mexico.post(f"{HOME}event/{event.public_id}/retry/").status_code == 403
    auditor = center.client(member=center.staff(roles=["auditor"], countries=["ES"], name="auditor"))
    assert 'form="retry"' not in _said(auditor)
    assert auditor.post(SEVERAL, {"code": "issuer_unknown"}).status_code == 403
    unsigned = Client(enforce_csrf_checks=True)
    unsigned.force_login(fina.user, backend="django.contrib.auth.backends.ModelBackend")
    assert unsigned.post(SEVERAL, {"code": "issuer_unknown"}).status_code == 403
    assert center.client(member=fina).get(SEVERAL).status_code == 405
    assert (_states(), _retried()) == ([("held", "issuer_unknown")], [])


def test_one_whose_body_is_stripped_or_that_is_superseded_is_not_offered(fina: cast.Member) -> None:
    telling.told([making.order("ord_1"), making.payout("po_1", "9.00", orders=["ord_1"])])
    telling.told([making.payment("pay_1", "9.99", [making.line("10.00")])])
    with force.by_force():
        Event.objects.filter(code="totals_mismatch").update(body=None)
    telling.told([making.payout("po_1", "10.00", orders=["ord_1"]) | {"id": "evt_mended"}])
    browser = center.client(member=fina)
    assert "Volver a intentar" not in _said(browser)
    for event in Event.objects.filter(status=EventStatus.HELD):
        assert browser.post(f"{HOME}event/{event.public_id}/retry/").status_code == 409
        assert browser.post(SEVERAL, {"event": [event.public_id]}).status_code == 409


def test_an_issuer_that_comes_has_its_events_issued(tmp_path: pathlib.Path) -> None:
    _unknown_issuer("ord_1", "ord_2")
    telling.told([making.order("ord_3") | {"issuer": "other-es"}])
    _work()
    assert [code for _status, code in _states()] == ["issuer_unknown"] * 3
    _add_issuer(tmp_path)
    _work()
    assert _states() == [("processed", "")] * 2 + [("held", "issuer_unknown")]
    assert Document.objects.filter(issuer__slug=NEW["slug"]).count() == 2
    assert _retried() == []  # no person did


def test_a_series_that_gives_numbers_again_has_its_events_issued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers, "_last", {})
    now = timezone.now()
    assert telling.tell(making.order("ord_1"), now=now).body["status"] == "processed"
    series = Series.objects.filter(kind="ORDER_FINAL_STATEMENT", year=now.year)
    with force.by_force():
        series.update(last=F("next") - 1)
    assert telling.tell(making.order("ord_2"), now=now).body["code"] == "series_exhausted"
    held = Event.objects.get(code="series_exhausted")
    for wrong in ({"last": F("last")}, {"last": None, "valid_until": now.date() - dt.timedelta(days=2)}):
        with force.by_force():
            series.update(**wrong)
        numbers.look()
        _work()
        held.refresh_from_db()
        assert (held.status, held.next_try_at) == (EventStatus.HELD, None)
    with force.by_force():
        series.update(valid_until=None)
    numbers.look()
    _work()
    held.refresh_from_db()
    assert held.status == EventStatus.PROCESSED


def test_a_series_that_was_opened_from_a_later_day_has_the_events_issued_that_waited_once_it_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(numbers, "_last", {})
    now = timezone.now()
    assert telling.tell(making.order("ord_1"), now=now).body["status"] == "processed"
    series = Series.objects.filter(kind="ORDER_FINAL_STATEMENT", year=now.year)
    with force.by_force():
        series.update(last=F("next") - 1)
    assert telling.tell(making.order("ord_2"), now=now).body["code"] == "series_exhausted"
    first, last = series.get(), f"{now.year}-12-31"
    reason = ["--from", last, "--reason", "Nueva autorización"]
    call_command("open_series", first.issuer.slug, "OFS", *reason)
    _work()
    for day, status in ((last, EventStatus.HELD), (f"{now:%Y-%m-%d}", EventStatus.PROCESSED)):
        with force.by_force():
            series.filter(part=2).update(valid_from=day)
        numbers.look()
        _work()
        assert Event.objects.get(subject="order:ord_2").status == status
    assert Document.objects.get(subject="order:ord_2").number.startswith(f"{first.issuer.code}-OFS2-{now.year}-")
