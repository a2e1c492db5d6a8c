"""What is personal and old is erased by itself, on record and never early; what a matter is about, or waits, stays."""

import io
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from audit import leaf, log
from audit.actions import Action
from audit.models import Event as LogEvent
from audit.models import EventDetail
from documents import tasks
from documents.custody import erasure, legal_holds
from documents.models import (
    Delivery,
    Document,
    Erased,
    ErasurePeriod,
    Event,
    EventStatus,
    HoldScope,
    LegalHold,
    Link,
)
from tests import factories
from tests.documents import center
from tests.documents.officers import Officers, party_hold
from tests.services import force

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("vault_folder")]
ACTOR = log.Actor(kind="user", id="usr_1", role="auditor", channel="admin", address="198.51.100.7", agent="Mozilla/5.0")


def viewed(object_id: str, *, kind: str = "document") -> int:
    """Record a look at something, with the address that it came from."""
    with transaction.atomic():
        return log.record(action=Action.DOCUMENT_VIEWED, object_type=kind, object_id=object_id, actor=ACTOR)


def all_is_past() -> None:
    """Let everything be past its time, as the owner."""
    with force.by_force():
        ErasurePeriod.objects.update(days=0)


def erased(what: Erased = Erased.DETAILS) -> int:
    return sum(erasure.erase(what=what))


def stored(event_id: str, *, status: str = EventStatus.PROCESSED, body: bytes = b"{}") -> Event:
    """Return an event that came long ago."""
    event = factories.event(subject=f"order:{event_id}")
    with force.by_force():
        Event.objects.filter(pk=event.pk).update(event_id=event_id, status=status, body=body, type="ORDER_COMPLETED")
    return event


def with_body() -> set[str]:
    return set(Event.objects.exclude(body=None).values_list("event_id", flat=True))


def test_details_are_erased_after_their_time_and_the_leaf_is_what_it_was() -> None:
    look = viewed("doc_1")
    event = LogEvent.objects.get(pk=look)
    before, digest, details = leaf.encode(event), event.details_digest, EventDetail.objects.count()
    assert (erased(), EventDetail.objects.count()) == (0, details)
    all_is_past()
    assert erased() == details
    event.refresh_from_db()
    assert (leaf.encode(event), event.details_digest) == (before, digest)
    assert not EventDetail.objects.exists()
    [said] = center.said("audit.details_erased")
    assert (said.count, said.code, said.actor_kind) == (details, "details_expired", "system")
    assert said.object_id.endswith(f"-{look}")
    assert (erased(), len(center.said("audit.details_erased"))) == (0, 1)


def test_what_a_matter_is_about_keeps_its_details_and_bodies_until_its_end() -> None:
    officers, document = Officers(), factories.document()
    other = factories.document(owner=factories.party(platform_id="drv_other"))
    link = center.link(document=document)
    with force.by_force():
        Event.objects.update(body=b"{}")
    repeat = stored("evt_repeat")
    with force.by_force():
        Event.objects.filter(pk=repeat.pk).update(document_ids=[document.pk])
    hold = officers.hold(document)
    about = [document.public_id, document.event.public_id, repeat.public_id, document.owner.public_id]
    looks = {viewed(one, kind="thing") for one in (*about, link.public_id, hold.public_id)}
    unheld = viewed(other.public_id)
    all_is_past()
    assert erased() > 0
    left = set(EventDetail.objects.values_list("event_id", flat=True))
    assert (looks <= left, unheld in left) == (True, False)
    erased(Erased.BODIES)
    assert with_body() == {document.event.event_id, "evt_repeat"}
    officers.end(LegalHold.objects.get())
    erased()
    erased(Erased.BODIES)
    assert not looks & set(EventDetail.objects.values_list("event_id", flat=True))
    assert with_body() == set()


def test_a_matter_over_a_party_holds_the_same_by_the_database_as_by_the_model() -> None:
    officers, inside = Officers(), factories.document()
    day = inside.issue_date
    party_hold(inside.owner, officers, first_date=day, last_date=day, kinds=(inside.kind,))
    outside: dict[str, Any] = {
        "first_date": day.replace(year=2099),
        "last_date": day.replace(year=1999),
        "kinds": ["CREDIT_NOTE"],
    }
    changes: list[dict[str, Any]] = [{}, {"kinds": []}, *({name: value} for name, value in outside.items())]
    assert [_held(inside, scope=change) for change in changes] == [True, True, False, False, False]
    with force.by_force():
        LegalHold.objects.update(country="MX")
    assert not _held(inside, scope={"kinds": []})


def test_a_weeks_link_is_about_all_documents_that_it_leads_to() -> None:
    first = factories.document()
    second, link = factories.document(owner=first.owner), center.link(document=first)
    with force.by_force():
        both = {"recipient": first.owner, "channel": "DIGEST"}
        mail = Delivery.objects.create(document=first, message_id="m1@x", **both)
        Delivery.objects.filter(pk=mail.pk).update(bundle=mail)
        Delivery.objects.create(document=second, message_id="m2@x", bundle=mail, **both)
        Link.objects.filter(pk=link.pk).update(delivery=mail, weekly=True)
    Officers().hold(second)
    seen = viewed(link.public_id, kind="link")
    all_is_past()
    erased()
    assert EventDetail.objects.filter(event=seen).exists()


def _held(document: Document, *, scope: dict[str, Any]) -> bool:
    """Tell whether a document is held while its matter's scope is another, as both say."""
    before = HoldScope.objects.values().get()
    with force.by_force(), connection.cursor() as cursor:
        HoldScope.objects.update(**{**before, **scope})
        held = Document.objects.filter(legal_holds.is_held(), pk=document.pk).exists()
        cursor.execute("SELECT documents_on_hold(%s)", [document.public_id])
        assert cursor.fetchone() == (held,), scope
        HoldScope.objects.update(**before)
    return held


def test_of_what_is_over_the_body_goes_and_its_digest_and_moment_stay() -> None:
    event = stored("evt_old", body=b'{"data": {"order": {"completed_at": "2024-02-17T10:00:00Z"}}}')
    before = Event.objects.values("body_sha256", "payload_sha256", "status").get(pk=event.pk)
    assert (erased(Erased.BODIES), with_body()) == (0, {"evt_old"})
    all_is_past()
    assert erased(Erased.BODIES) == 1
    event.refresh_from_db()
    assert event.body is None
    assert str(event.happened_at) == "2024-02-17 10:00:00+00:00"
    assert Event.objects.values("body_sha256", "payload_sha256", "status").get(pk=event.pk) == before
    [said] = center.said("event.bodies_erased")
    assert (said.count, said.object_id, said.code) == (1, f"{event.pk}-{event.pk}", "bodies_expired")


def test_what_waits_or_must_still_be_compared_keeps_its_body() -> None:
    by = stored("evt_done")
    for status in EventStatus:
        stored(f"evt_{status}", status=status, body=b"not json")
    superseded, compared = stored("evt_superseded", status=EventStatus.HELD), stored("evt_compared")
    canceled = stored("evt_canceled")
    with force.by_force():
        Event.objects.filter(event_id="evt_processed").update(body=b"{}")
        Event.objects.filter(pk=superseded.pk).update(superseded_by=by)
        Event.objects.filter(pk=canceled.pk).update(type="ORDER_CANCELED")
        compared.discrepancies.create(code="divergent_repeat", dedup_key="d")
    all_is_past()
    erased(Erased.BODIES)
    assert with_body() == {"evt_parked", "evt_held", "evt_compared", "evt_canceled"}


def test_it_goes_on_in_transactions_of_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "BATCH", 2)
    for number in range(5):
        viewed(f"doc_{number}")
    all_is_past()
    walk = erasure.erase(what=Erased.DETAILS)
    assert next(walk) == 2  # and there it is broken off
    assert list(erasure.erase(what=Erased.DETAILS)) == [2, 1]
    assert [event.count for event in reversed(center.said("audit.details_erased"))] == [2, 2, 1]


def test_the_task_of_the_night_erases_both_and_the_command_counts_first() -> None:
    viewed("doc_1")
    stored("evt_old")
    all_is_past()
    out = io.StringIO()
    call_command("erase_expired", "--dry-run", stdout=out)
    assert out.getvalue().splitlines() == [
        "1 datos personales de la bitácora · details of the log",
        "1 cuerpos de eventos · bodies of events",
    ]
    assert EventDetail.objects.exists()
    tasks.erase()
    assert (EventDetail.objects.exists(), with_body()) == (False, set())
    viewed("doc_2")
    call_command("erase_expired", stdout=out, stderr=io.StringIO())
    assert "✓ 1 datos personales" in out.getvalue()
    assert not EventDetail.objects.exists()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE documents_erasureperiod SET days = 0",
        "INSERT INTO documents_erasureperiod VALUES ('all', 0)",
        "DELETE FROM documents_erasureperiod",
        "DELETE FROM audit_eventdetail",
        "UPDATE documents_event SET body = NULL",
        "UPDATE documents_event SET happened_at = now()",
        "UPDATE documents_event SET received_at = '1999-01-01'",
        "SELECT documents_on_hold('doc_1')",
        "CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT now() + interval ''9 years'''",
    ],
)
def test_the_runtime_role_can_bring_nothing_nearer_to_its_end(statement: str) -> None:
    with (
        pytest.raises(DatabaseError, match="permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def test_it_erases_nothing_early_however_it_is_called() -> None:
    viewed("doc_1")
    stored("evt_young")
    before = (EventDetail.objects.count(), with_body())
    with connection.cursor() as cursor:
        for what in ("details", "bodies", "other", None):
            for after, upto in ((0, 100_000), (-(2**62), 1)):
                cursor.execute("SELECT erased, last FROM documents_erase(%s, %s, %s, true)", [what, after, upto])
                assert cursor.fetchone() == (0, None)
    assert (EventDetail.objects.count(), with_body()) == before
    with force.by_force():
        ErasurePeriod.objects.all().delete()
    assert (erased(), erased(Erased.BODIES)) == (0, 0)  # without a period, nothing is past it
    assert (center.said("audit.details_erased"), center.said("event.bodies_erased")) == ([], [])
