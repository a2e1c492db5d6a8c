"""What an earlier version stored is there after the migrations, under the words of today."""

import json
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction
from django.db.migrations.executor import MigrationExecutor

from audit import enforcement, labels
from audit.models import Event as LogEvent
from documents.models import Dismissal, Event
from tests import cast
from tests.payouts import making, telling
from tests.services import force

OLD = ("documents", "0008_closings")
ACTOR = {"actor_kind": "system", "actor_id": "", "role": "", "key": "", "service": "", "channel": "worker"}


def _migrate(*targets: tuple[str, str]) -> None:
    with connections["owner"].cursor() as cursor:
        enforcement.drop_guards(cursor=cursor)  # as provisioning does
    executor = MigrationExecutor(connections["owner"])
    executor.migrate([*targets] or executor.loader.graph.leaf_nodes())
    if not targets:
        with connections["owner"].cursor() as cursor:
            enforcement.make_guards(cursor=cursor)
    for connection in connections.all():
        connection.close()


def _rows(query: str, *values: str | int) -> list[tuple[Any, ...]]:
    with connections["default"].cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall() if cursor.description else []


def _note(*, action: str, event: Event) -> None:
    """Write an audit event as an earlier version did: its word is recorded by nothing today."""
    entry = {
        "action": action,
        "object_type": "event",
        "object_id": event.public_id,
        "outcome": "ok",
        "code": "",
        **ACTOR,
    }
    _rows("SELECT audit_append(%s::jsonb, '')", json.dumps(entry | {"request_id": "", "count": 1}))


def _close_as_before(*, event: Event, user_id: int) -> None:
    _rows(
        "INSERT INTO documents_closing (event_id, state, code, reason, closed_by_id)"
        " VALUES (%s, 'CLOSED', 'payout_does_not_close', 'razón de antes', %s)",
        event.public_id,
        user_id,
    )


@pytest.mark.django_db(transaction=True, databases=["default", "denials", "owner"])
def test_events_closed_and_settled_by_an_earlier_version_stay_so_under_todays_words() -> None:
    telling.issuers()
    user = cast.staff(name="fina", roles=["finance"], countries=["ES"]).user
    telling.told([making.order("ord_1"), making.payout("po_1", "9.00", orders=["ord_1"])])
    telling.told([making.payout("po_1", "10.00", orders=["ord_1"]) | {"id": "evt_mended"}])
    telling.told([making.order("ord_2"), making.payout("po_2", "9.00", orders=["ord_2"])])
    settled, held = Event.objects.get(event_id="evt_po_1"), Event.objects.get(event_id="evt_po_2")
    later = Event.objects.get(event_id="evt_mended")

    _migrate(OLD, ("payouts", "0002_settlement_request"))
    assert _rows("SELECT settled_by_id FROM documents_event WHERE id = %s", settled.pk) == [(later.pk,)]
    with pytest.raises(IntegrityError, match="audit guard"), transaction.atomic():
        _close_as_before(event=held, user_id=user.pk)
    with transaction.atomic():
        _note(action="event.closed", event=held)
        _close_as_before(event=held, user_id=user.pk)
    before = _rows("SELECT id, event_id, code, reason, closed_by_id, closed_at FROM documents_closing")

    _migrate()
    settled.refresh_from_db()
    assert settled.superseded_by == later
    made = Dismissal.objects.get()
    assert made.state == "DISMISSED"
    assert before == [(made.pk, held.public_id, made.code, made.reason, user.pk, made.dismissed_at)]
    assert [
        labels.label(row.action) for row in LogEvent.objects.filter(object_id=held.public_id).order_by("-pk")[:1]
    ] == ["Evento cerrado sin emitir"]
    with pytest.raises(IntegrityError, match="audit guard"), transaction.atomic():
        Dismissal.objects.create(event=settled, code="x", reason="y", dismissed_by=user)
    with pytest.raises(IntegrityError, match="stays as it is"), transaction.atomic(), force.by_force(triggers=True):
        Dismissal.objects.update(reason="otra")
    with pytest.raises(IntegrityError, match="dismissal_once"), transaction.atomic():
        Dismissal.objects.create(event=held, code="x", reason="y", dismissed_by=user)
