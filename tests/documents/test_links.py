"""Secure links: what opens them, what closes them, what is left behind in database and log."""

import concurrent.futures
import datetime as dt
import hashlib
import json
import re

import pytest
from django.db import connections
from pytest_django import Settings

from audit import log
from audit.actions import Action
from audit.models import Event, EventDetail
from documents.delivery import answers, codes, links, notices, tries
from documents.models import Alert, Delivery, DeliveryStatus, Kind, Link, Notice, Party, WrongAnswers
from tests import factories
from tests.services import force

pytestmark = pytest.mark.django_db
NOW = factories.NOW
ACTOR = log.Actor(kind="link", id="lnk_test", channel="link", address="203.0.113.9", agent="Phone")


def a_link(**fields: object) -> Link:
    """Return a link to a driver's statement, with some fields set by force."""
    document = factories.document()
    link = links.create(document=document, recipient=document.owner, delivery=None, now=NOW)
    with force.by_force():
        Link.objects.filter(pk=link.pk).update(**fields)
    link.refresh_from_db()
    return link


def answer(link: Link, text: str, *, now: dt.datetime = NOW) -> answers.Verdict:
    """Answer as a person at the door would."""
    return answers.judge(link=link, answer=text, now=now, actor=ACTOR)


def actions(link: Link) -> list[str]:
    """Return what the log says of a link, in order."""
    return list(Event.objects.filter(object_id=link.public_id).order_by("id").values_list("action", flat=True))


def test_the_database_never_learns_a_token() -> None:
    link = a_link()
    token = links.token(link=link)
    assert len(token) == 43
    assert link.token_sha256 == hashlib.sha256(token.encode()).hexdigest()
    row = json.dumps(Link.objects.filter(pk=link.pk).values()[0], default=str)
    assert token not in row


def test_a_token_is_the_same_after_a_crash_and_another_in_the_next_generation() -> None:
    link = a_link()
    again = Link.objects.get(pk=link.pk)
    assert links.token(link=again) == links.token(link=link)
    again.generation += 1
    assert links.token(link=again) != links.token(link=link)


def test_a_token_changes_with_the_key(settings: Settings) -> None:
    link = a_link()
    before = links.token(link=link)
    settings.LINK_KEY = "another-key-of-more-than-thirty-two-characters"
    assert links.token(link=link) != before


@pytest.mark.parametrize(
    "token", ["", "x", "x" * 43, "é" * 43, "../../etc/passwd", "a" * 10_000, "\ud800", "A" * 42 + "\n"]
)
def test_nothing_that_is_no_token_finds_a_link(token: str) -> None:
    a_link()
    assert links.find(token=token) is None


def test_every_token_finds_its_own_link() -> None:
    first, second = a_link(), a_link()
    assert links.find(token=links.token(link=first)) == first
    assert links.find(token=links.token(link=second)) == second


@pytest.mark.parametrize("text", ["678Z", "678z", " 67-8z ", "6.7.8.Z", "12345678Z", "12.345.678-z"])
def test_the_last_four_characters_or_all_of_them_open_however_they_are_typed(text: str) -> None:
    link = a_link()
    assert answer(link, text) is answers.Verdict.OPENED
    link.refresh_from_db()
    assert link.opened_at == NOW


@pytest.mark.parametrize("text", ["", "   ", "67", "5678Z", "1" * 21, "----", "🙂🙂🙂🙂", "67 8"])
def test_an_empty_or_malformed_answer_is_no_try(text: str) -> None:
    link = a_link()
    assert answer(link, text) is answers.Verdict.MALFORMED
    link.refresh_from_db()
    assert (link.wrong_answers, link.opened_at) == (0, None)
    assert actions(link) == ["link.created"]


def test_the_fifth_wrong_answer_locks_for_fifteen_minutes_even_against_the_right_one() -> None:
    link = a_link()
    for _ in range(5):
        assert answer(link, "0000") is answers.Verdict.WRONG
    assert answer(link, "678Z") is answers.Verdict.UNUSABLE
    assert answer(link, "678Z", now=NOW + dt.timedelta(minutes=14)) is answers.Verdict.UNUSABLE
    assert actions(link).count("link.failed") == 5
    assert actions(link).count("link.locked") == 1
    assert answer(link, "678Z", now=NOW + dt.timedelta(minutes=15, seconds=1)) is answers.Verdict.OPENED


def test_the_tenth_wrong_answer_revokes_for_good_and_calls_a_person() -> None:
    link = a_link()
    for turn in range(10):
        assert answer(link, "0000", now=NOW + turn * dt.timedelta(minutes=16)) is answers.Verdict.WRONG
    link.refresh_from_db()
    assert link.revoked_reason == "wrong_answers"
    assert answer(link, "678Z", now=NOW + dt.timedelta(days=1)) is answers.Verdict.UNUSABLE
    alert = Alert.objects.get(object_id=link.public_id)
    assert (alert.code, alert.severity) == ("link_revoked", "P2")


def many(owner: Party, number: int) -> list[Link]:
    """Return links to as many documents of a party."""
    return [
        links.create(document=factories.document(owner=owner), recipient=owner, delivery=None, now=NOW)
        for _ in range(number)
    ]


def test_a_stolen_mailbox_full_of_links_gives_twenty_tries_a_day_and_then_calls_a_person() -> None:
    owner = factories.party(platform_id="drv_many")
    other = a_link()
    mine = many(owner, 8)
    verdicts = [answer(link, f"{turn:04d}") for link in mine for turn in range(4)]
    assert verdicts == [answers.Verdict.WRONG] * 20 + [answers.Verdict.LIMITED] * 12
    assert answer(mine[7], "678Z") is answers.Verdict.LIMITED
    alert = Alert.objects.get(code="link_guessing")
    assert (alert.severity, alert.values) == ("P2", {"cause": "party", "most": 20, "recipient": "drv_many"})
    assert alert.count == 13
    assert answer(other, "678Z") is answers.Verdict.OPENED
    assert answer(mine[7], "678Z", now=NOW + dt.timedelta(hours=23, minutes=59)) is answers.Verdict.LIMITED
    assert answer(mine[7], "678Z", now=NOW + dt.timedelta(days=1, seconds=1)) is answers.Verdict.OPENED


def wrong_from(address: str, number: int) -> list[answers.Verdict]:
    """Answer wrongly from an address, at a link of somebody else each time."""
    who = log.Actor(kind="link", id="lnk_test", channel="link", address=address)
    return [answers.judge(link=a_link(), answer="0000", now=NOW, actor=who) for _ in range(number)]


def test_one_address_has_fifty_wrong_answers_an_hour_over_all_links_and_its_neighbour_is_not_stopped() -> None:
    assert set(wrong_from("203.0.113.9", 50)) == {answers.Verdict.WRONG}
    assert wrong_from("203.0.113.9", 2) == [answers.Verdict.LIMITED] * 2
    assert wrong_from("203.0.113.10", 1) == [answers.Verdict.WRONG]
    alert = Alert.objects.get(code="link_guessing")
    assert alert.values == {"cause": "address", "most": 50, "network": "203.0.113.0/24"}
    assert "203.0.113.9" not in json.dumps([*WrongAnswers.objects.values()], default=str)
    later = NOW + dt.timedelta(hours=1, seconds=1)
    assert answer(a_link(), "678Z", now=later) is answers.Verdict.OPENED


@pytest.mark.parametrize(
    ("addresses", "network"),
    [
        ([f"203.0.113.{number}" for number in range(200)], "203.0.113.0/24"),
        ([f"2001:db8:7:{number:x}::1" for number in range(200)], "2001:db8:7::/48"),
    ],
)
def test_one_network_has_two_hundred_wrong_answers_an_hour_whatever_its_addresses(
    addresses: list[str], network: str
) -> None:
    link = a_link()
    for address in addresses:
        counted = tries.keys(link=link, address=address)
        tries.count(keys={"network": counted["network"]}, now=NOW)
    assert wrong_from(addresses[0], 1) == [answers.Verdict.LIMITED]
    assert Alert.objects.get(code="link_guessing").values == {"cause": "network", "most": 200, "network": network}
    assert wrong_from("198.51.100.1", 1) == [answers.Verdict.WRONG]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:7:8::9", "2001:db8:7::/48"),
        ("", ""),
        ("not an address", ""),
    ],
)
def test_an_address_belongs_to_one_network_however_it_is_written(address: str, network: str) -> None:
    assert tries.network_of(address=address) == network


def test_a_count_whose_period_is_long_over_is_not_kept() -> None:
    wrong_from("203.0.113.9", 1)
    late = NOW + dt.timedelta(days=3)
    tries.count(keys={"party": "party:0"}, now=late)
    assert list(WrongAnswers.objects.values_list("key", flat=True)) == ["party:0"]


def test_a_right_answer_resets_the_wrong_ones_of_the_link_and_not_those_of_the_party() -> None:
    link = a_link()
    for _ in range(4):
        answer(link, "0000")
    assert answer(link, "678Z") is answers.Verdict.OPENED
    link.refresh_from_db()
    assert (link.wrong_answers, link.locked_until_at) == (0, None)
    for _ in range(4):
        assert answer(link, "0000") is answers.Verdict.WRONG
    assert answer(link, "678Z") is answers.Verdict.OPENED
    assert WrongAnswers.objects.get(key=f"party:{link.recipient_id}").count == 8


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"expires_at": NOW}, links.State.EXPIRED),
        ({"revoked_at": NOW}, links.State.REVOKED),
        ({"downloads": 5}, links.State.EXHAUSTED),
        ({"locked_until_at": NOW + dt.timedelta(seconds=1)}, links.State.LOCKED),
        ({"locked_until_at": NOW}, links.State.LIVE),
        ({}, links.State.LIVE),
    ],
)
def test_a_link_says_what_it_is_good_for(fields: dict[str, object], state: links.State) -> None:
    link = a_link(**fields)
    assert links.state(link=link, now=NOW) is state
    assert (answer(link, "678Z") is answers.Verdict.OPENED) == (state is links.State.LIVE)


def test_a_customer_with_a_receipt_is_asked_nothing_and_a_driver_is() -> None:
    receipt, statement = factories.document(kind=Kind.PAYMENT_RECEIPT), factories.document()
    assert links.asks(document=receipt, recipient=receipt.owner) == links.NOTHING
    assert links.asks(document=statement, recipient=statement.owner) == links.LAST4


@pytest.mark.parametrize("tax_id", ["", "AB1", "---"])
def test_who_has_no_tax_id_on_file_is_asked_for_a_code_by_mail(tax_id: str) -> None:
    document = factories.document(owner=factories.party(platform_id="drv_none", tax_id=tax_id))
    link = links.create(document=document, recipient=document.owner, delivery=None, now=NOW)
    assert link.knows == links.CODE
    assert answer(link, "") is answers.Verdict.MALFORMED
    assert answer(link, "0000") is answers.Verdict.WRONG
    notice = notices.mail_code(link=link, now=NOW, actor=ACTOR)
    assert notice is not None
    assert answer(link, codes.code(notice=notice)) is answers.Verdict.OPENED


def asked(link: Link, *, now: dt.datetime = NOW) -> str:
    """Have a code mailed, and return it."""
    notice = notices.mail_code(link=link, now=now, actor=ACTOR)
    assert notice is not None
    return codes.code(notice=notice)


def test_a_code_opens_once_for_ten_minutes_and_only_its_own_link() -> None:
    link, other = a_link(), a_link()
    late = NOW + dt.timedelta(minutes=10, seconds=1)
    code = asked(link)
    assert re.fullmatch(r"[0-9]{6}", code)
    assert answer(other, code) is answers.Verdict.WRONG
    assert answer(link, code, now=late) is answers.Verdict.WRONG
    assert answer(link, f" {code[:3]} {code[3:]} ") is answers.Verdict.OPENED
    assert answer(link, code, now=NOW + dt.timedelta(seconds=1)) is answers.Verdict.WRONG
    assert answer(link, asked(link, now=late), now=late) is answers.Verdict.OPENED


def test_codes_are_mailed_once_a_minute_and_five_times_an_hour_at_most() -> None:
    link = a_link()
    minutes = [NOW + dt.timedelta(seconds=20 * turn) for turn in range(60)]
    made = [notices.mail_code(link=link, now=now, actor=ACTOR) for now in minutes]
    assert [turn for turn, notice in enumerate(made) if notice] == [0, 3, 6, 9, 12]


@pytest.mark.parametrize("fields", [{"revoked_at": NOW}, {"expires_at": NOW}, {"knows": "nothing"}])
def test_no_code_is_mailed_for_a_link_that_it_could_not_open(fields: dict[str, object]) -> None:
    assert notices.mail_code(link=a_link(**fields), now=NOW, actor=ACTOR) is None


def test_no_code_is_mailed_to_nobody() -> None:
    document = factories.document(owner=factories.party(platform_id="drv_mute", email=""))
    link = links.create(document=document, recipient=document.owner, delivery=None, now=NOW)
    assert notices.mail_code(link=link, now=NOW, actor=ACTOR) is None


def test_a_link_that_asks_stays_shut_when_the_tax_id_has_been_erased() -> None:
    link = a_link()
    link.recipient.tax_id = ""
    with force.by_force():
        link.recipient.save(update_fields=["tax_id"])
    assert answer(link, "678Z") is answers.Verdict.WRONG


def test_being_fetched_is_noted_once() -> None:
    link = a_link()
    for minute in range(10):
        fresh = Link.objects.get(pk=link.pk)
        links.note_seen(link=fresh, now=NOW + dt.timedelta(minutes=minute), actor=ACTOR)
    link.refresh_from_db()
    assert link.seen_at == NOW
    assert actions(link) == ["link.created", "link.seen"]


def test_a_code_lies_neither_in_the_database_nor_in_the_log() -> None:
    link = a_link()
    code = asked(link)
    answer(link, code)
    rows = [*Notice.objects.values(), *Link.objects.values(), *Event.objects.values(), *EventDetail.objects.values()]
    assert f'"{code}"' not in json.dumps(rows, default=str)


def test_two_that_fetch_at_once_leave_one_note() -> None:
    link = a_link()
    stale = Link.objects.get(pk=link.pk)
    links.note_seen(link=link, now=NOW, actor=ACTOR)
    links.note_seen(link=stale, now=NOW, actor=ACTOR)
    assert actions(link).count("link.seen") == 1


def test_revoking_twice_is_on_record_once() -> None:
    link = a_link()
    assert links.revoke(link=link, reason="lost phone", actor=ACTOR, now=NOW)
    assert not links.revoke(link=link, reason="again", actor=ACTOR, now=NOW)
    assert actions(link).count("link.revoked") == 1


def test_a_new_address_ends_every_open_link_of_its_party_and_nobody_elses() -> None:
    mine, other = a_link(), a_link()
    other.recipient = factories.party(platform_id="drv_other")
    with force.by_force():
        other.save(update_fields=["recipient"])
    links.create(document=mine.document, recipient=mine.recipient, delivery=None, now=NOW)
    assert links.revoke_open(recipient=mine.recipient, reason="contact_changed", actor=ACTOR, now=NOW) == 2
    other.refresh_from_db()
    assert other.revoked_at is None


def test_a_delivery_has_one_link_however_often_it_is_tried() -> None:
    document = factories.document()
    with force.by_force():
        delivery = Delivery.objects.create(
            document=document, recipient=document.owner, channel="EMAIL", message_id="<a@b>"
        )
    first = links.for_delivery(delivery=delivery, now=NOW)
    assert links.for_delivery(delivery=delivery, now=NOW + dt.timedelta(days=3)) == first
    links.revoke(link=first, reason="test", actor=ACTOR, now=NOW)
    assert links.for_delivery(delivery=delivery, now=NOW) != first


def download(link: Link, *, session: str) -> None:
    """Count a download as `distribution.open` does: with the event of the document."""
    links.count_download(link=link, document=link.document, session=session, now=NOW, actor=ACTOR)
    log.record(
        action=Action.DOCUMENT_DOWNLOADED, object_type="document", object_id=link.document.public_id, actor=ACTOR
    )


def test_opening_and_downloading_move_the_delivery_and_nothing_moves_it_back() -> None:
    document = factories.document()
    with force.by_force():
        delivery = Delivery.objects.create(
            document=document, recipient=document.owner, channel="EMAIL", message_id="<a@b>", status=DeliveryStatus.SENT
        )
    link = links.for_delivery(delivery=delivery, now=NOW)
    answer(link, "678Z")
    delivery.refresh_from_db()
    assert delivery.status == DeliveryStatus.OPENED
    download(link, session="one")
    answer(link, "678Z")
    delivery.refresh_from_db()
    assert delivery.status == DeliveryStatus.DOWNLOADED
    told = Event.objects.filter(object_id=delivery.public_id).values_list("action", flat=True)
    assert list(told) == ["delivery.opened", "delivery.downloaded"]


def test_no_token_and_no_hash_of_one_ever_lies_in_the_log() -> None:
    link = a_link()
    links.note_seen(link=link, now=NOW, actor=ACTOR)
    for text in ("", "0000", "0001", "678Z"):
        answer(link, text)
    download(link, session="0123456789abcdef")
    links.revoke(link=link, reason="test", actor=ACTOR, now=NOW)
    rows = [*Event.objects.values(), *EventDetail.objects.values()]
    text = json.dumps(rows, default=str)
    assert len(rows) > 8
    for secret in (links.token(link=link), link.token_sha256, "0000", "678Z"):
        assert f'"{secret}"' not in text
    assert links.token(link=link) not in text


@pytest.mark.usefixtures("committed_db")
@pytest.mark.django_db(transaction=True, databases=["default", "denials"])
def test_twenty_wrong_answers_at_once_are_five_tries_and_a_lock() -> None:
    link = a_link()

    def wrong(number: int) -> answers.Verdict:
        try:
            return answer(Link.objects.get(pk=link.pk), f"{number:04d}")
        finally:
            connections.close_all()

    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as threads:
        verdicts = list(threads.map(wrong, range(20)))
    link.refresh_from_db()
    assert link.wrong_answers == 5
    assert verdicts.count(answers.Verdict.WRONG) == 5
    assert verdicts.count(answers.Verdict.UNUSABLE) == 15


@pytest.mark.usefixtures("committed_db")
@pytest.mark.django_db(transaction=True, databases=["default", "denials"])
def test_many_links_of_one_party_tried_at_once_give_twenty_tries_together() -> None:
    mine = many(factories.party(platform_id="drv_many"), 8)

    def wrong(number: int) -> answers.Verdict:
        try:
            return answer(mine[number % 8], f"{number:04d}")
        finally:
            connections.close_all()

    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as threads:
        verdicts = list(threads.map(wrong, range(32)))
    assert (verdicts.count(answers.Verdict.WRONG), verdicts.count(answers.Verdict.LIMITED)) == (20, 12)
    assert WrongAnswers.objects.get(key__startswith="party:").count == 20
