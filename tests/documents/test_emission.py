"""Issuing and locking: numbers without gap, leases that a zombie cannot use, and an end for every document."""

import concurrent.futures
import dataclasses
import datetime as dt
import json
import uuid
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, connections, transaction

from audit.models import Event as AuditEvent
from documents import errors
from documents.alerts import discrepancies
from documents.emission import custody, issuing, locking, numbering
from documents.models import Alert, Delivery, Document, Issuer, Kind, Series, Status
from documents.rendering import render as rendering
from documents.resilience import leases
from documents.vault import store
from tests import factories
from tests.payouts import making, telling
from tests.services import force, rivals

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _world() -> None:
    telling.issuers()


class Killed(BaseException):
    """The process ends here, as far as the line can tell."""


def issued(name: str = "ord_1") -> Document:
    telling.tell(making.order(name))
    return telling.document(f"ORDER_FINAL_STATEMENT:order:{name}:beneficiary")


def advance(document: Document, *, later_s: float = 0) -> Document:
    locking.advance(document_id=document.pk, now=dt.datetime.now(tz=dt.UTC) + dt.timedelta(seconds=later_s))
    document.refresh_from_db()
    return document


def test_a_document_is_locked_with_its_bytes_its_event_and_its_delivery() -> None:
    document = advance(issued())
    assert (document.status, document.attempts, document.lease, document.next_try_at) == (Status.LOCKED, 1, None, None)
    actions = list(AuditEvent.objects.filter(object_id=document.public_id).values_list("action", flat=True))
    assert sorted(actions) == ["document.issued", "document.locked"]
    assert Delivery.objects.filter(document=document).count() == 1


def test_locking_again_changes_nothing() -> None:
    document = advance(issued())
    before = Document.objects.filter(pk=document.pk).values().get()
    advance(document)
    assert Document.objects.filter(pk=document.pk).values().get() == before
    assert Delivery.objects.filter(document=document).count() == 1


def test_a_leased_document_is_nobody_elses_until_the_lease_ends() -> None:
    document = issued()
    now = dt.datetime.now(tz=dt.UTC)
    Document.objects.filter(pk=document.pk).update(lease=uuid.uuid4(), lease_until_at=now + dt.timedelta(seconds=10))
    assert advance(document).status == Status.ISSUED
    assert advance(document, later_s=11).status == Status.LOCKED


def test_a_lease_in_flight_is_renewed_and_a_dead_ones_is_not() -> None:
    document = issued()
    now = dt.datetime.now(tz=dt.UTC)
    with leases.lease(rows=locking.due(now=now), now=now) as lease:
        later = now + dt.timedelta(seconds=5)
        assert (lease is not None, leases.renew(now=later)) == (True, 1)
        document.refresh_from_db()
        assert document.lease_until_at is not None
        assert document.lease_until_at > later
    assert leases.renew(now=now) == 0


def test_the_document_of_a_dead_worker_is_the_first_in_turn_again() -> None:
    first, second = issued("ord_1"), issued("ord_2")
    now = dt.datetime.now(tz=dt.UTC)
    turns = []
    for later_s in (0, 1, settings.LEASE_S + 0.5):
        then = now + dt.timedelta(seconds=later_s)
        with leases.lease(rows=locking.due(now=then), now=then) as lease:
            turns.append(lease and lease.pk)  # and is given up without a word, as by a worker that dies
    assert turns == [first.pk, second.pk, first.pk]
    first.refresh_from_db()
    assert (first.attempts, first.next_try_at) == (2, first.issued_at)


@pytest.mark.usefixtures("committed_db")
@pytest.mark.django_db(transaction=True, databases=["default", "denials"])
def test_workers_that_ask_at_the_same_moment_get_different_documents_and_none_waits() -> None:
    first, second = issued("ord_1"), issued("ord_2")
    now = dt.datetime.now(tz=dt.UTC)

    def leased() -> int | None:
        try:
            with leases.lease(rows=locking.due(now=now), now=now) as lease:
                return lease.pk if lease else None
        finally:
            connections.close_all()

    with (
        concurrent.futures.ThreadPoolExecutor(max_workers=1) as other,
        transaction.atomic(),
        leases.lease(rows=locking.due(now=now), now=now) as lease,
    ):
        assert lease is not None
        assert (lease.pk, other.submit(leased).result(timeout=10)) == (first.pk, second.pk)
        assert other.submit(leased).result(timeout=10) is None


def test_bytes_that_a_killed_worker_left_are_finished_and_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    document = issued()

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(type(store.open_vault()), "verify", killed)
        with pytest.raises(Killed):
            advance(document)
    Document.objects.filter(pk=document.pk).update(lease_until_at=None)  # the lease has ended
    with monkeypatch.context() as dying:
        dying.setattr(locking, "_confirm", killed)
        with pytest.raises(Killed):
            advance(document)
    noted = Document.objects.get(pk=document.pk)
    Document.objects.filter(pk=document.pk).update(attempts=locking.RENDER_TRIES_MAX + 1, lease_until_at=None)
    monkeypatch.setattr(rendering, "render", killed)
    advance(document)
    assert (document.status, document.template, document.pages) == (Status.LOCKED, noted.template, 1)
    assert document.template != rendering.PLAIN


@pytest.mark.parametrize("wrong", ["another document's", "a part", "nothing"])
def test_what_a_renderer_answers_in_the_place_of_a_document_is_never_locked(
    monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    other, document, render = issued("ord_other"), issued(), rendering.render

    def mixed_up(**given: Any) -> rendering.Rendered:
        right = render(**given)
        theirs = render(**{**given, "content": json.loads(other.content)}).pdf
        pdf = {"another document's": theirs, "a part": right.pdf[: len(right.pdf) // 2], "nothing": b""}[wrong]
        return dataclasses.replace(right, pdf=pdf)

    with monkeypatch.context() as broken:
        broken.setattr(rendering, "render", mixed_up)
        advance(document)
    assert (document.status, document.cause, document.vault_key) == (Status.ISSUED, "render_failed", "")
    assert advance(document, later_s=10_000).status == Status.LOCKED


def test_a_clock_that_is_off_costs_a_document_no_try_and_calls_nobody_about_it(monkeypatch: pytest.MonkeyPatch) -> None:
    document = issued()
    with monkeypatch.context() as off:
        off.setitem(store.lock.__kwdefaults__ or {}, "skew_s", lambda: 90.0)
        for attempt in range(locking.TRIES_MAX + 2):
            advance(document, later_s=attempt * 1000)
    assert (document.status, document.cause, document.attempts) == (Status.ISSUED, "worm_bucket_misconfigured", 0)
    assert not Alert.objects.filter(object_id=document.public_id).exists()
    assert advance(document, later_s=100_000).status == Status.LOCKED


def test_a_template_that_fails_for_good_ends_in_the_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    document, render = issued(), rendering.render

    def broken(**given: Any) -> rendering.Rendered:
        if not given["plain"]:
            raise errors.Problem(code="render_failed")
        return render(**given)

    monkeypatch.setattr(rendering, "render", broken)
    for attempt in range(1, locking.RENDER_TRIES_MAX + 1):
        advance(document, later_s=attempt * 1000)
        assert (document.status, document.cause, document.attempts) == (Status.ISSUED, "render_failed", attempt)
    advance(document, later_s=10_000)
    assert (document.status, document.template, document.cause) == (Status.LOCKED, rendering.PLAIN, "")
    assert not Alert.objects.filter(dedup_key=f"document:{document.public_id}", resolved_at=None).exists()


def test_a_document_that_cannot_be_rendered_at_all_rests_with_its_cause_until_a_person_retries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    document = issued()

    def broken(**_: Any) -> None:
        raise errors.Problem(code="render_failed")

    with monkeypatch.context() as broken_down:
        broken_down.setattr(rendering, "render", broken)
        for attempt in range(1, locking.TRIES_MAX + 1):
            advance(document, later_s=attempt * 1000)
    assert (document.next_try_at, document.cause, document.attempts) == (None, "render_failed", locking.TRIES_MAX)
    assert Alert.objects.get(dedup_key=f"document:{document.public_id}").severity == "P2"
    assert document not in locking.due(now=dt.datetime(2099, 1, 1, tzinfo=dt.UTC))
    assert locking.retry(document=document, actor=telling.ACTOR, now=telling.NOW)
    assert advance(document, later_s=100_000).status == Status.LOCKED


def test_a_document_that_kills_its_worker_is_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    document = issued()
    Document.objects.filter(pk=document.pk).update(attempts=locking.TRIES_MAX)

    def never(**_: Any) -> None:
        raise AssertionError("it must not be tried again")

    monkeypatch.setattr(custody, "lock", never)
    advance(document)
    assert (document.status, document.next_try_at, document.cause) == (Status.ISSUED, None, "internal_error")
    assert Alert.objects.filter(dedup_key=f"document:{document.public_id}", resolved_at=None).count() == 1


def test_numbers_run_without_gap_whatever_is_held_in_between() -> None:
    for number in range(1, 6):
        telling.tell(making.order(f"ord_{number}"))
        held = making.order(f"bad_{number}")
        held["data"]["totals"] = {"payable": "0.01"}
        assert telling.tell(held).body["status"] == "held"
    series = Series.objects.get(kind="ORDER_FINAL_STATEMENT", issuer__slug="aventide-es")
    assert list(Document.objects.order_by("sequence").values_list("sequence", flat=True)) == [1, 2, 3, 4, 5]
    assert series.next == 6


def test_a_number_that_cannot_be_used_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    telling.tell(making.order("ord_1"))
    monkeypatch.setattr(issuing.metrics.DOCUMENT_ISSUED, "labels", lambda **_: 1 / 0)
    assert telling.tell(making.order("ord_2")).status == 503
    monkeypatch.undo()
    telling.tell(making.order("ord_3"))
    assert list(Document.objects.order_by("pk").values_list("sequence", flat=True)) == [1, 2]


def test_an_exhausted_range_holds_the_event_and_is_a_p1() -> None:
    telling.tell(making.order("ord_1"))
    with force.by_force():
        Series.objects.filter(kind="ORDER_FINAL_STATEMENT").update(last=1)
    answer = telling.tell(making.order("ord_2"))
    assert (answer.body["status"], answer.body["code"]) == ("held", "series_exhausted")
    assert Alert.objects.filter(code="event_held", severity="P1").count() == 1
    assert Document.objects.count() == 1


@pytest.mark.django_db(transaction=True, databases=["default", "denials"])
def test_a_series_that_another_transaction_opens_in_between_gives_the_next_number() -> None:
    issuer, kind = Issuer.objects.get(slug="aventide-es"), Kind.ORDER_FINAL_STATEMENT

    def open_series() -> None:
        """Do what `add_issuer` does; another event of the issuer would wait for this one's place in its valve."""
        with transaction.atomic():
            numbering.open_series(issuer=issuer, kind=kind, year=telling.NOW.year, first=5, actor=telling.ACTOR)

    with rivals.overtaken(after="UPDATE documents_series", by=open_series):
        assert telling.tell(making.order("ord_1")).status == 201
    assert list(Document.objects.values_list("subject", "sequence")) == [("order:ord_1", 5)]


def test_what_proves_a_document_is_sealed_in_clear_and_survives_the_erasure_of_every_detail() -> None:
    document = advance(issued())
    made, locked = (
        AuditEvent.objects.get(object_id=document.public_id, action=f"document.{word}") for word in ("issued", "locked")
    )
    issued_facts = {
        "owner": document.owner.public_id,
        "document_key": document.document_key_id,
        "number": document.number,
        "content_sha256": document.content_sha256,
        "retain_until": document.retain_until.isoformat(),
    }
    assert made.facts == issued_facts
    assert locked.facts == issued_facts | {
        "file_sha256": document.file_sha256,
        "vault_version": document.vault_version,
    }
    assert document.number not in str(locked.detail.details if locked.details_digest else "").replace(
        document.vault_key, ""
    )


@pytest.mark.parametrize("column", ["number", "content", "total_minor", "owner_id", "issue_date", "retain_until"])
def test_what_is_issued_is_frozen_by_the_database_itself(column: str) -> None:
    document = issued()
    value: object = {"total_minor": 1, "owner_id": factories.party(platform_id="other").pk}.get(column)
    value = value or (dt.date(2020, 1, 1) if column.endswith(("date", "until")) else "x")
    with pytest.raises(IntegrityError, match="frozen"), transaction.atomic(), force.by_force(triggers=True):
        Document.objects.filter(pk=document.pk).update(**{column: value})


def test_nothing_issued_can_be_deleted_or_moved_without_its_event() -> None:
    document = advance(issued())
    for statement in ("DELETE FROM documents_document", "UPDATE documents_document SET file_sha256 = 'x'"):
        with pytest.raises(IntegrityError), transaction.atomic(), force.by_force(triggers=True):
            connection.cursor().execute(statement)
    with transaction.atomic():
        Document.objects.filter(pk=document.pk).update(status=Status.QUARANTINED)
        with pytest.raises(IntegrityError, match="audit guard"), connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        transaction.set_rollback(True)


def test_a_divergence_is_opened_once_and_resolved_by_its_key() -> None:
    issued("ord_1")
    other = making.order("ord_1", "11.00")
    telling.tell(other | {"id": "evt_b"})
    telling.tell(other | {"id": "evt_c"})
    row = discrepancies.Discrepancy.objects.get(code="divergent_repeat")
    discrepancies.resolve(dedup_key=row.dedup_key, resolution="checked", actor=telling.ACTOR, now=telling.NOW)
    row.refresh_from_db()
    assert (row.resolved_at, row.resolution) == (telling.NOW, "checked")
    assert not Alert.objects.filter(code="divergent_repeat", resolved_at=None).exists()


def test_every_state_has_its_step_or_is_where_a_document_rests() -> None:
    assert set(locking.STEPS) <= set(Status)
    assert set(Status) - set(locking.STEPS) == {Status.LOCKED, Status.QUARANTINED, Status.DISPOSED}
