"""The link of a week's mail: sent again whole, opened and downloaded on record, and leading to nothing else."""

import datetime as dt

import pytest

from audit import log
from documents import distribution, errors
from documents.custody import quarantine
from documents.delivery import answers, deliveries, links
from documents.models import Channel, Delivery, DeliveryStatus, Kind, Link, RevokeReason
from tests import factories
from tests.documents import center
from tests.documents.mailing import promptly, queued, told
from tests.services import force

__all__ = ["promptly"]

pytestmark = pytest.mark.django_db
MONDAY = dt.datetime(2026, 11, 23, 8, 0, tzinfo=dt.UTC)  # nine in Madrid


def a_week(*, number: int = 3) -> tuple[Link, list[Delivery]]:
    """Return the link of a week's mail that has been sent, and its deliveries."""
    owner = factories.party(platform_id="drv_ana")
    week = [queued(kind=Kind.ORDER_FINAL_STATEMENT, owner=owner) for _ in range(number)]
    for pk in deliveries.digest(now=MONDAY):
        deliveries.send(delivery_id=pk, now=MONDAY)
    return Link.objects.get(), week


@pytest.mark.usefixtures("smtp")
def test_a_dead_link_to_a_week_becomes_one_new_link_to_the_same_week() -> None:
    link, week = a_week()
    later = MONDAY + dt.timedelta(days=9)
    made = deliveries.renew_week(link=link, actor=log.SYSTEM, now=later)
    assert made is not None
    assert deliveries.renew_week(link=link, actor=log.SYSTEM, now=later) is None
    deliveries.send(delivery_id=made.pk, now=later)
    fresh = Link.objects.exclude(pk=link.pk).get()
    assert (fresh.weekly, fresh.delivery) == (True, made)
    assert list(links.documents(link=fresh)) == [delivery.document for delivery in week]
    assert deliveries.digest(now=later + dt.timedelta(days=9)) == []


@pytest.mark.usefixtures("smtp")
def test_a_weeks_link_sent_again_is_one_mail_of_all_that_can_be_had_and_the_older_one_ends() -> None:
    link, week = a_week()
    one, *others = week
    single = deliveries.resend(document=one.document, actor=log.SYSTEM, now=MONDAY, revoke_older=True)
    link.refresh_from_db()
    assert link.revoked_at is None  # a mail of one document leaves the week's
    quarantine.withhold(document=one.document, code="worm_lock_missing", actor=log.SYSTEM, now=MONDAY)
    made = deliveries.resend_link(link=link, actor=log.SYSTEM, now=MONDAY)
    link.refresh_from_db()
    assert link.revoked_reason == RevokeReason.RESENT
    deliveries.send(delivery_id=made.pk, now=MONDAY)
    fresh = Link.objects.get(delivery=made)
    assert fresh.weekly
    assert list(links.documents(link=fresh)) == [delivery.document for delivery in others]
    assert Link.objects.filter(delivery=single).count() == 0  # that mail is still to be sent, with its own
    for delivery in others:
        quarantine.withhold(document=delivery.document, code="worm_lock_missing", actor=log.SYSTEM, now=MONDAY)
    with pytest.raises(errors.Problem, match="document_"):
        deliveries.resend_link(link=fresh, actor=log.SYSTEM, now=MONDAY)


@pytest.mark.usefixtures("smtp")
@pytest.mark.django_db(databases=["default", "denials"])
@pytest.mark.parametrize("door", ["api", "center"])
def test_both_doors_send_a_weeks_link_again_whole_and_to_nobody_who_may_not_see_all_of_it(door: str) -> None:
    link, week = a_week()
    abroad = factories.issuer(slug="aventide-co", code="ACO", country_code="CO")
    elsewhere = factories.document(kind=Kind.ORDER_FINAL_STATEMENT, owner=link.recipient, issued_by=abroad)
    browser = center.client(member=center.staff(roles=["finance"], countries=["ES"], name="sofia"))

    def resend(*, key: str) -> tuple[int, int]:
        """The status of the answer, and how many deliveries are queued."""
        api = door == "api"
        where = f"/api/v1/links/{link.public_id}" if api else f"{center.ADMIN}documents/link/{link.public_id}"
        answer = browser.post(f"{where}/resend/", headers={"Idempotency-Key": key} if api else {})
        return answer.status_code, Delivery.objects.filter(status=DeliveryStatus.QUEUED).count()

    assert resend(key="once-and-whole") == (201 if door == "api" else 302, 3)
    assert {event.object_id for event in center.said("delivery.resent")} == set(
        Delivery.objects.filter(sequence=2, document__in=[row.document for row in week]).values_list(
            "public_id", flat=True
        )
    )
    with force.by_force():
        Delivery.objects.create(
            document=elsewhere, recipient=link.recipient, channel=Channel.DIGEST, message_id="m@x", bundle=link.delivery
        )
    assert resend(key="not-all-of-it-mine") == (403, 4)  # the fourth is the one that was just made
    assert center.denials()[0].code == "country_out_of_scope"


@pytest.mark.usefixtures("smtp")
@pytest.mark.django_db(databases=["default", "denials"])
@pytest.mark.parametrize("door", ["api", "center"])
def test_both_doors_send_the_link_of_one_document_again_and_name_it_in_the_log(door: str) -> None:
    document = factories.document(owner=factories.party(platform_id="drv_one", email="one@example.com"))
    first = deliveries.resend(document=document, actor=log.SYSTEM, now=MONDAY)
    link = links.create(document=document, recipient=document.owner, delivery=first, now=MONDAY)
    browser = center.client(member=center.staff(roles=["finance"], countries=["ES"], name="sofia"))
    where = f"/api/v1/links/{link.public_id}" if door == "api" else f"{center.ADMIN}documents/link/{link.public_id}"
    answer = browser.post(f"{where}/resend/", headers={"Idempotency-Key": "once-and-again"})
    assert answer.status_code == (201 if door == "api" else 302)
    assert list(Delivery.objects.filter(document=document).order_by("sequence").values_list("sequence", flat=True)) == [
        1,
        2,
    ]
    assert len(center.said("delivery.resent")) == 1


@pytest.mark.usefixtures("smtp")
def test_no_new_link_to_a_week_goes_to_an_address_that_proved_to_be_somebody_elses() -> None:
    link, _week = a_week()
    links.revoke(link=link, reason=RevokeReason.WRONG_PERSON, actor=log.SYSTEM, now=MONDAY)
    assert deliveries.renew_week(link=link, actor=log.SYSTEM, now=MONDAY) is None


@pytest.mark.usefixtures("smtp")
def test_opening_a_week_moves_all_its_deliveries_and_a_download_only_its_own() -> None:
    link, week = a_week()
    assert answers.judge(link=link, answer="678Z", now=MONDAY, actor=log.SYSTEM) is answers.Verdict.OPENED
    assert [told(delivery)[-1] for delivery in week] == ["delivery.opened"] * 3
    document = week[1].document
    opened = distribution.open(
        document=document, actor=log.SYSTEM, purpose="download", now=MONDAY, link=link, session="s"
    )
    assert opened.sha256 == document.file_sha256
    assert [told(delivery)[-1] for delivery in week] == ["delivery.opened", "delivery.downloaded", "delivery.opened"]
    link.refresh_from_db()
    assert link.downloads == 1


@pytest.mark.usefixtures("smtp")
def test_a_week_leads_to_nothing_that_was_not_in_its_mail() -> None:
    link, week = a_week()
    later = queued(kind=Kind.ORDER_FINAL_STATEMENT, owner=week[0].recipient).document
    with pytest.raises(errors.Problem, match="not_owner"):
        distribution.open(document=later, actor=log.SYSTEM, purpose="view", now=MONDAY, link=link, session="s")
