"""What is asked before it is done: one table a list, one view for all, nothing done without its event."""

from typing import Any

import pytest
from django.utils import translation

from audit import log
from audit.actions import RETIRED
from documents.access import guard, roles
from documents.admin import (
    confirm,
    deliveries,
    document_actions,
    incidents,
    issuer_changes,
    issuers,
    legal_holds,
    parties,
    people_changes,
    rights,
)
from documents.alerts import incidents as alerts
from documents.models import Alert
from payouts.admin import decisions
from tests import cast, factories
from tests.documents import center
from tests.services import force

pytestmark = pytest.mark.usefixtures("db")
REASON = "La ruta está corregida y desplegada"
ROWS: dict[str, confirm.Confirmation[Any]] = {
    **document_actions.CONFIRMATIONS,
    **deliveries.CONFIRMATIONS,
    **{f"alert:{name}": row for name, row in incidents.CONFIRMATIONS.items()},
    **{f"hold:{name}": row for name, row in legal_holds.CONFIRMATIONS.items()},
    **{f"party:{name}": row for name, row in parties.CONFIRMATIONS.items()},
    **{f"person:{name}": row for name, row in people_changes.CONFIRMATIONS.items()},
    **{f"issuer:{name}": row for name, row in {**issuers.CONFIRMATIONS, **issuer_changes.CONFIRMATIONS}.items()},
    **{name: row.asks for name, row in decisions.TABLE.items()},
}


def test_each_row_speaks_both_languages_and_names_a_right_and_an_action() -> None:
    assert len(ROWS) == 30
    for name, row in ROWS.items():
        for text in (row.title, row.text, row.submit, row.done, row.not_now):
            spanish = str(text)
            with translation.override("en"):
                assert spanish == "" or str(text) != spanish, (name, spanish)
        assert row.right in rights.WORDS, name
        assert roles.STAFF & roles.RIGHTS[row.right], name
        assert row.audit not in RETIRED, name
        assert row.recorded.acts, name


def foreign_read() -> Alert:
    guard.report_foreign(public_id="doc_1", actor=log.SYSTEM)
    return Alert.objects.get(code="cross_owner_read")


def test_an_alert_that_nothing_else_ends_is_resolved_by_a_person_with_a_reason_once() -> None:
    alert = foreign_read()
    browser = center.client(member=center.staff(roles=["compliance"], countries=["ES"]))
    page = f"{center.ADMIN}documents/alert/{alert.public_id}/"
    assert "acknowledge/" in browser.get(page).content.decode()
    browser.post(f"{page}acknowledge/")
    assert f"{page}resolve/" in browser.get(page).content.decode()
    assert "Resolver la alerta" in browser.get(f"{page}resolve/").content.decode()
    assert browser.post(f"{page}resolve/", {"reason": "corto"}).status_code == 400
    assert browser.post(f"{page}resolve/", {"reason": REASON}).status_code == 302
    alert.refresh_from_db()
    assert alert.resolved_at is not None
    again = foreign_read_again()
    assert browser.post(f"{page}resolve/", {"reason": REASON}).status_code == 409
    assert Alert.objects.get(pk=again.pk).resolved_at is None
    (said,) = center.said("alert.resolved")
    assert (said.object_id, said.actor_kind, said.detail.details["reason"]) == (alert.public_id, "user", REASON)


def foreign_read_again() -> Alert:
    """The same happens once more: another incident, which the first one's page does not end."""
    guard.report_foreign(public_id="doc_1", actor=log.SYSTEM)
    return Alert.objects.get(code="cross_owner_read", resolved_at=None)


def test_an_alert_that_ends_with_its_cause_is_not_resolved_by_hand() -> None:
    alerts.open_alert(code="event_held", dedup_key="event:1")
    alert = Alert.objects.get(code="event_held")
    browser = center.client(member=center.staff(roles=["finance"], countries=["ES"]))
    page = f"{center.ADMIN}documents/alert/{alert.public_id}/"
    browser.post(f"{page}acknowledge/")
    assert "resolve/" not in browser.get(page).content.decode()
    assert "se resuelve sola" in browser.get(f"{page}resolve/", follow=True).content.decode()
    assert browser.post(f"{page}resolve/", {"reason": REASON}).status_code == 409
    alert.refresh_from_db()
    assert alert.resolved_at is None


def test_what_cannot_be_done_is_said_on_the_page_that_asked_with_the_status_of_its_cause(sofia: cast.Member) -> None:
    document = factories.document()
    browser = center.client(member=sofia)
    answer = browser.post(f"{center.page(document)}retry/")  # it is locked: nothing waits
    assert (answer.status_code, "ya no está pendiente" in answer.content.decode()) == (409, True)
    with force.by_force():
        type(document.owner).objects.filter(pk=document.owner_id).update(email="")
    answer = browser.post(f"{center.page(document)}resend/")
    assert (answer.status_code, "Los datos no son válidos" in answer.content.decode()) == (400, True)
    assert center.said("document.retried") + center.said("delivery.resent") == []
