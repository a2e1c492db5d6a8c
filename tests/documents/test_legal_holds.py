"""A matter holds documents, also those that come later, until two people end it; the vault is told of both."""

import datetime as dt
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction

from audit import log
from audit.actions import Action
from audit.models import Event as LogEvent
from documents import errors, presentation
from documents.custody import hold_marks, legal_holds
from documents.models import Document, HoldState, Kind, LegalHold, Status
from documents.resilience import breaker, calls, dependencies
from documents.vault import store
from tests import factories
from tests.documents import center
from tests.documents.officers import NOW, Officers, by, party_hold
from tests.services import force, objects

pytestmark = pytest.mark.django_db(databases=["default", "denials"])


@pytest.fixture
def officers(db: None, vault_folder: object) -> Officers:
    return Officers()


def shown(document: Document) -> Any:
    return presentation.document(document=document)["retention"]


def test_a_document_is_on_hold_until_two_people_have_released_it(officers: Officers) -> None:
    document, other = factories.document(), factories.document()
    hold = officers.hold(document)
    assert (shown(document)["legal_hold"], shown(other)["legal_hold"]) == (True, False)
    assert legal_holds.request_release(hold=hold, by=by(officers.carla))
    assert shown(document)["legal_hold"] is True
    hold.refresh_from_db()
    with pytest.raises(errors.Problem) as refused:
        legal_holds.approve_release(hold=hold, by=by(officers.carla))
    assert refused.value.code == "second_person_required"
    assert (center.denials()[0].object_id, center.denials()[0].code) == (hold.public_id, "second_person_required")
    assert legal_holds.approve_release(hold=hold, by=by(officers.clara))
    assert shown(document)["legal_hold"] is False
    assert [one.action for one in LogEvent.objects.filter(object_id=hold.public_id).order_by("pk")] == [
        "hold.set",
        "hold.release_requested",
        "hold.released",
    ]


def test_a_request_can_be_withdrawn_and_each_step_happens_once(officers: Officers) -> None:
    hold = officers.hold(factories.document())
    assert not legal_holds.approve_release(hold=hold, by=by(officers.clara))
    assert legal_holds.request_release(hold=hold, by=by(officers.carla))
    assert not legal_holds.request_release(hold=hold, by=by(officers.clara))
    assert legal_holds.withdraw_release(hold=hold, by=by(officers.clara))
    hold.refresh_from_db()
    assert (hold.state, hold.requested_by, hold.release_reason) == (HoldState.SET, None, "")
    officers.end(hold)
    assert not legal_holds.withdraw_release(hold=hold, by=by(officers.clara))


def test_the_database_itself_refuses_one_person_as_two_officers(officers: Officers) -> None:
    hold = officers.hold(factories.document())
    legal_holds.request_release(hold=hold, by=by(officers.carla))
    with pytest.raises(IntegrityError, match="two_people"), transaction.atomic(), force.by_force(triggers=True):
        LegalHold.objects.filter(pk=hold.pk).update(
            state=HoldState.RELEASED, released_by=officers.carla, released_at=NOW
        )


def test_a_matter_over_a_party_covers_its_period_and_kinds_and_what_is_issued_later(officers: Officers) -> None:
    party = factories.party(platform_id="drv_held")
    march, april, june = (dt.datetime(2026, month, 10, 12, tzinfo=dt.UTC) for month in (3, 4, 6))
    before = factories.document(owner=party, now=march)
    assert party_hold(
        party,
        officers,
        first_date=dt.date(2026, 4, 1),
        last_date=dt.date(2026, 4, 30),
        kinds=(Kind.ORDER_FINAL_STATEMENT,),
    )
    within = factories.document(owner=party, now=april)
    another_kind = factories.document(owner=party, now=april, kind=Kind.PAYMENT_RECEIPT)
    after, somebody_elses = factories.document(owner=party, now=june), factories.document(now=april)
    every = [before, within, another_kind, after, somebody_elses]
    assert legal_holds.held_among(documents=every) == {within.pk}
    assert [list(legal_holds.of_document(document=one)) != [] for one in every] == [False, True, False, False, False]
    scopes = LegalHold.objects.get().scopes.all()
    assert list(legal_holds.covered_by(scopes=scopes, rows=Document.objects.all())) == [within]


def test_a_matter_of_a_country_leaves_what_the_party_has_in_another(officers: Officers) -> None:
    party = factories.party(platform_id="drv_held")
    colombian = factories.issuer(slug="aventide-co", code="ACO", country_code="CO")
    there, here = factories.document(owner=party, issued_by=colombian), factories.document(owner=party)
    assert party_hold(party, officers)
    assert legal_holds.held_among(documents=[there, here]) == {here.pk}


def test_a_second_matter_goes_on_holding_and_a_reference_gathers_its_documents(officers: Officers) -> None:
    one, two = factories.document(), factories.document()
    first, second = officers.hold(one), officers.hold(one, reference="AUTO-9/2026")
    assert officers.hold(two) == first
    assert not legal_holds.set_over_document(document=two, reference="AUTO-1/2026", by=by(officers.clara))
    officers.end(first)
    assert legal_holds.held_among(documents=[one, two]) == {one.pk}
    officers.end(second)
    assert legal_holds.held_among(documents=[one, two]) == frozenset()
    assert officers.hold(two, reference="AUTO-1/2027") != first


def test_nothing_is_added_to_a_matter_whose_end_is_asked_for(officers: Officers) -> None:
    hold, other = officers.hold(factories.document()), factories.document()
    legal_holds.request_release(hold=hold, by=by(officers.carla))
    assert not legal_holds.set_over_document(document=other, reference=hold.reference, by=by(officers.clara))
    assert shown(other)["legal_hold"] is False


@pytest.mark.parametrize(
    ("roles", "countries"), [(["finance"], ["ES"]), (["auditor"], ["ES"]), (["compliance"], ["MX"])]
)
def test_who_may_not_sets_and_ends_nothing_and_is_on_record(
    officers: Officers, roles: list[str], countries: list[str]
) -> None:
    document = factories.document()
    hold = officers.hold(document)
    stranger = by(center.staff(roles=roles, countries=countries, name="stranger").user)
    code = "country_out_of_scope" if roles == ["compliance"] else "role_not_allowed"
    steps = (legal_holds.request_release, legal_holds.approve_release, legal_holds.withdraw_release)
    for step in steps:
        with pytest.raises(errors.Problem, match=code):
            step(hold=hold, by=stranger)
    with pytest.raises(errors.Problem, match=code):
        legal_holds.set_over_document(document=document, reference="x", by=stranger)
    assert [one.code for one in center.denials()] == [code] * 4
    assert LegalHold.objects.get().state == HoldState.SET


def test_a_page_of_the_api_asks_for_the_holds_of_all_its_documents_at_once(
    officers: Officers, django_assert_num_queries: Any
) -> None:
    many = center.documents(count=5)
    officers.hold(many[3])
    with django_assert_num_queries(3):
        rows: list[Any] = presentation.documents(rows=presentation.joined(rows=Document.objects.order_by("pk")))
    assert [row["retention"]["legal_hold"] for row in rows] == [False, False, False, True, False]


LAST = dt.date(2026, 12, 31)
AFTER = dt.datetime(2026, 12, 31, 23, tzinfo=dt.UTC)  # midnight in Spain


def test_a_matter_ends_by_itself_once_its_last_day_is_over_in_its_country(officers: Officers) -> None:
    document, other = factories.document(), factories.document()
    hold, open_one = officers.hold(document, until=LAST), officers.hold(other, reference="AUTO-9/2026")
    assert legal_holds.end_due(now=AFTER - dt.timedelta(seconds=1)) == 0
    assert shown(document)["legal_hold"] is True
    with force.by_force():  # the day is over, for the database's own clock too
        LegalHold.objects.filter(pk=hold.pk).update(hold_until=dt.date(2020, 1, 1))
    assert legal_holds.request_release(hold=hold, by=by(officers.carla))  # which does not keep it from ending
    assert (legal_holds.end_due(now=AFTER), legal_holds.end_due(now=AFTER)) == (1, 0)
    hold.refresh_from_db()
    assert (hold.state, hold.ended_at, hold.released_by) == (HoldState.ENDED, AFTER, None)
    assert (shown(document)["legal_hold"], shown(other)["legal_hold"]) == (False, True)
    [said] = center.said("hold.ended")
    assert (said.object_id, said.actor_kind) == (hold.public_id, "system")
    assert not legal_holds.approve_release(hold=hold, by=by(officers.clara))
    assert not legal_holds.withdraw_release(hold=hold, by=by(officers.clara))
    assert officers.hold(document) not in (hold, open_one)


@pytest.mark.parametrize("change", [{"hold_until": dt.date(2026, 1, 1)}, {"state": HoldState.ENDED, "ended_at": NOW}])
def test_no_process_brings_the_end_of_a_matter_nearer(officers: Officers, change: dict[str, Any]) -> None:
    hold = officers.hold(factories.document(), until=dt.date(2099, 12, 31))

    @transaction.atomic
    def bring_nearer() -> None:
        log.record(action=Action.HOLD_ENDED, object_type="legalhold", object_id=hold.public_id, actor=log.SYSTEM)
        LegalHold.objects.filter(pk=hold.pk).update(**change)
        connection.check_constraints()  # as the commit would

    with pytest.raises((IntegrityError, ProgrammingError)):
        bring_nearer()


# --- the vault ---
class Store:
    """The real S3 behind the vault, as its owner sees it."""

    def __init__(self, *, client: Any, bucket: str) -> None:
        self.client, self.bucket = client, bucket

    def status(self, document: Document) -> str:
        where = {"Bucket": self.bucket, "Key": document.vault_key, "VersionId": document.vault_version}
        return str(self.client.head_object(**where).get("ObjectLockLegalHoldStatus", "OFF"))

    def end(self, document: Document) -> None:
        where = {"Bucket": self.bucket, "Key": document.vault_key, "VersionId": document.vault_version}
        self.client.put_object_legal_hold(**where, LegalHold={"Status": "OFF"})


@pytest.fixture
def bucket(s3_vault: str, s3_objects: objects.Objects, monkeypatch: pytest.MonkeyPatch) -> Store:
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)
    monkeypatch.setattr(store, "_opened", {})
    return Store(client=s3_objects.client(), bucket=urlsplit(s3_vault).netloc)


def test_each_version_in_the_vault_bears_the_hold_for_as_long_as_a_matter_holds_it(db: None, bucket: Store) -> None:
    officers, party = Officers(), factories.party(platform_id="drv_held")
    here, waiting = factories.document(owner=party), factories.document(owner=party, status=Status.ISSUED)
    free = factories.document()
    assert party_hold(party, officers)
    second = officers.hold(here)
    assert hold_marks.tell(now=NOW) == 1  # what is not in the vault yet is marked once it is
    assert (bucket.status(here), bucket.status(free)) == ("ON", "OFF")
    later = factories.document(owner=party)
    assert hold_marks.tell(now=NOW) == 1
    assert bucket.status(later) == "ON"
    waiting.refresh_from_db()
    assert waiting.hold_told_at is None
    officers.end(LegalHold.objects.get(reference="AUTO-2/2026"))
    assert hold_marks.tell(now=NOW) == 1
    assert (bucket.status(here), bucket.status(later)) == ("ON", "OFF")
    officers.end(second)
    assert hold_marks.tell(now=NOW) == 1
    assert (bucket.status(here), hold_marks.tell(now=NOW)) == ("OFF", 0)


def test_the_vault_is_told_of_a_matter_that_has_ended_by_itself(db: None, bucket: Store) -> None:
    document = factories.document()
    hold = Officers().hold(document, until=LAST)
    assert (hold_marks.tell(now=NOW), bucket.status(document)) == (1, "ON")
    with force.by_force():
        LegalHold.objects.filter(pk=hold.pk).update(hold_until=dt.date(2020, 1, 1))
    assert (hold_marks.tell(now=AFTER), bucket.status(document)) == (1, "OFF")


def test_a_hold_that_somebody_ended_in_the_store_is_set_again_within_a_day(db: None, bucket: Store) -> None:
    document = factories.document()
    Officers().hold(document)
    hold_marks.tell(now=NOW)
    bucket.end(document)
    assert hold_marks.tell(now=NOW + dt.timedelta(hours=23)) == 0
    assert hold_marks.tell(now=NOW + dt.timedelta(hours=25)) == 1
    assert bucket.status(document) == "ON"


def test_in_an_outage_the_rest_is_the_next_rounds(officers: Officers, monkeypatch: pytest.MonkeyPatch) -> None:
    document = factories.document()
    officers.hold(document)

    def gone(**_: Any) -> None:
        raise errors.WormError(code="worm_unavailable")

    with monkeypatch.context() as outage:
        outage.setattr(store, "guarded", gone)
        assert hold_marks.tell(now=NOW) == 0
    document.refresh_from_db()
    assert document.hold_told_at is None
    assert hold_marks.tell(now=NOW) == 1


def test_what_the_vault_cannot_mark_keeps_nothing_else_from_being_marked(officers: Officers) -> None:
    broken, sound = factories.document(), factories.document()
    for document in (broken, sound):
        officers.hold(document, reference="AUTO-1/2026")
    with force.by_force():
        Document.objects.filter(pk=broken.pk).update(vault_key="ES/nothing/here.pdf")
    assert hold_marks.tell(now=NOW) == 2
    assert hold_marks.tell(now=NOW) == 0
