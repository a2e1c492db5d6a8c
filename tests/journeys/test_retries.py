"""A sender that retries, alone or in a crowd: a fact told any number of times is one document with one number."""

import threading
from collections import Counter
from collections.abc import Callable

from tests.services.live import Live, LiveAnswer, live, order, payment, unlike

__all__ = ["live"]

CROWD = 64


def crowd(work: Callable[[int], LiveAnswer]) -> list[LiveAnswer]:
    """Do one thing CROWD times at the same moment, each on a connection of its own."""
    together = threading.Barrier(CROWD)
    answers: list[LiveAnswer] = []

    def one(number: int) -> None:
        together.wait()
        answers.append(work(number))

    threads = [threading.Thread(target=one, args=[number]) for number in range(CROWD)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == CROWD
    return answers


def test_64_identical_events_at_once_are_one_document_one_number_and_one_201(live: Live) -> None:
    event, before = payment(), live.numbered()
    answers = crowd(lambda _: live.post(event, timeout_s=60))
    assert Counter(answer.status for answer in answers) == {201: 1, 200: CROWD - 1}
    assert len({answer.body["documents"][0]["id"] for answer in answers}) == 1
    assert live.numbered() == before + 1
    assert live.one("SELECT repeats FROM documents_event WHERE event_id = %s", [event["id"]]) == CROWD - 1


def test_64_events_for_one_order_at_once_are_one_document_one_number_and_one_201(live: Live) -> None:
    event, before = order(), live.numbered()
    answers = crowd(lambda number: live.post(event | {"id": f"{event['id']}_{number}"}, timeout_s=60))
    assert Counter(answer.status for answer in answers) == {201: 1, 200: CROWD - 1}
    assert len({answer.body["documents"][0]["id"] for answer in answers}) == 1
    assert live.numbered() == before + 1
    name = event["data"]["order"]["id"]
    assert live.one("SELECT count(*) FROM documents_event WHERE subject = %s", [f"order:{name}"]) == CROWD


def test_64_different_orders_at_once_get_64_numbers_in_a_row(live: Live) -> None:
    before = live.numbered()
    answers = crowd(lambda _: live.post(payment(), timeout_s=60))
    assert Counter(answer.status for answer in answers) == {201: CROWD}
    assert len({answer.body["documents"][0]["number"] for answer in answers}) == CROWD
    assert live.numbered() == before + CROWD


def test_a_sender_that_heard_nothing_asks_again_until_it_hears_and_its_owner_gets_one_mail(live: Live) -> None:
    event = payment()
    answers = [live.post(event) for _ in range(5)]
    assert [answer.status for answer in answers] == [201, 200, 200, 200, 200]
    (document,) = {answer.body["documents"][0]["id"] for answer in answers}
    live.await_locked(keys=[answers[0].body["documents"][0]["document_key"]])
    live.await_quiet()
    query = """
    SELECT message_id FROM documents_delivery d JOIN documents_document o ON o.id = d.document_id WHERE o.public_id = %s
    """
    (sent,) = live.rows(query, [document])
    mails = [
        path for path in (live.folder / "mail").glob("*.eml") if sent["message_id"] in path.read_text(errors="replace")
    ]
    assert len(mails) == 1


def test_a_repeat_long_after_the_lock_still_finds_the_locked_document(live: Live) -> None:
    event = payment()
    key = live.post(event).body["documents"][0]["document_key"]
    (row,) = live.await_locked(keys=[key])
    again = live.post(event)
    document = again.body["documents"][0]
    assert (again.status, document["status"], document["file"]["sha256"]) == (200, "LOCKED", row["file_sha256"])


def test_a_crowd_of_divergent_repeats_leaves_the_first_and_no_error(live: Live) -> None:
    event, before = payment(), live.numbered()
    first = live.post(event)
    lines = [{"id": "1", "kind": "FARE", "description": "Otra cosa", "amount": "22.00", "tax": "IVA10"}]
    answers = crowd(
        lambda number: live.post(unlike(event, "/data/lines", lines) | {"id": f"{event['id']}_{number}"}, timeout_s=60)
    )
    assert {answer.status for answer in answers} == {200}
    assert {answer.body["documents"][0]["id"] for answer in answers} == {first.body["documents"][0]["id"]}
    assert live.numbered() == before + 1
    query = "SELECT count(*) FROM documents_discrepancy WHERE code = 'divergent_repeat' AND dedup_key LIKE %s"
    assert live.one(query, [f"%{event['data']['payment']['id']}%"]) == 1


def test_after_the_crowds_the_books_are_in_order(live: Live) -> None:
    live.await_quiet()
    assert live.check() == []
