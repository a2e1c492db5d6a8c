"""The broker dead or hanging, the database away, worker and web server killed: what a sender notices of it."""

import contextlib
import threading
import time
from collections.abc import Iterator

from tests.services.live import Live, LiveAnswer, live, payment

__all__ = ["live"]

PROMPT_S = 3.0  # how long a sender may wait while a server is away, on a busy machine


def test_with_the_broker_dead_intake_is_prompt_and_documents_still_lock(live: Live) -> None:
    live.await_quiet()
    live.stack.redis.kill()
    try:
        keys, slowest_s = _prompt(live)
        live.await_locked(keys=keys, within_s=30)
    finally:
        live.stack.redis.start()
    assert slowest_s < PROMPT_S


def test_with_the_broker_hanging_intake_is_prompt_and_documents_still_lock(live: Live) -> None:
    live.await_quiet()
    live.stack.redis.pause()
    try:
        keys, slowest_s = _prompt(live)
        live.await_locked(keys=keys, within_s=30)
    finally:
        live.stack.redis.resume()
    assert slowest_s < PROMPT_S


def test_a_worker_that_starts_while_the_broker_is_dead_works_all_the_same(live: Live) -> None:
    live.stack.redis.kill()
    try:
        assert live.process_group.kill(name="worker")
        event = payment()
        assert live.post(event).status == 201
        live.await_locked(keys=[f"PAYMENT_RECEIPT:payment:{event['data']['payment']['id']}:customer"])
    finally:
        live.stack.redis.start()


def test_without_a_worker_nothing_unlocked_is_served_and_everything_follows(live: Live) -> None:
    with live.process_group.without(name="worker"):
        answers = [live.post(payment()) for _ in range(3)]
        documents = [answer.body["documents"][0] for answer in answers]
        assert {document["status"] for document in documents} == {"ISSUED"}
        assert {document["file"] for document in documents} == {None}
    live.await_locked(keys=[document["document_key"] for document in documents])


def test_a_sender_whose_answer_died_with_the_web_server_asks_again_and_finds_its_document(live: Live) -> None:
    event = payment()
    with contextlib.suppress(OSError):
        killer = threading.Timer(0.01, live.process_group.kill, kwargs={"name": "web"})
        killer.start()
        live.post(event)
    killer.join()
    again = _until_answered(live, event)
    assert again.status in {200, 201}
    assert len(again.body["documents"]) == 1


def test_with_the_database_away_no_fact_is_accepted_and_the_sender_is_told_when_to_return(live: Live) -> None:
    live.await_quiet()
    event = payment()
    with _database_away(live):
        answer = live.post(event)
        assert (answer.status, answer.body["code"], answer.body["retryable"]) == (503, "dependency_degraded", True)
        assert int(answer.headers["retry-after"]) >= 1
        unsigned = live.post(event, headers={"webhook-signature": "v1,AAAA"})
        assert unsigned.status in {401, 503}
        assert live.ask("GET", "/healthz").status == 200
        assert live.ask("GET", "/readyz").status == 503
    assert _until_answered(live, event).status == 201
    live.await_locked(keys=[f"PAYMENT_RECEIPT:payment:{event['data']['payment']['id']}:customer"])


def test_after_all_of_this_the_books_are_in_order(live: Live) -> None:
    live.await_quiet()
    assert live.check() == []


def _prompt(live: Live) -> tuple[list[str], float]:
    keys, slowest_s = [], 0.0
    for _ in range(5):
        event, began = payment(), time.monotonic()
        assert live.post(event).status == 201
        slowest_s = max(slowest_s, time.monotonic() - began)
        keys.append(f"PAYMENT_RECEIPT:payment:{event['data']['payment']['id']}:customer")
    return keys, slowest_s


def _until_answered(live: Live, event: dict[str, object]) -> LiveAnswer:
    until = time.monotonic() + 30
    while True:
        with contextlib.suppress(OSError):
            answer = live.post(event)
            if answer.status < 500 or time.monotonic() > until:
                return answer
        time.sleep(0.2)


@contextlib.contextmanager
def _database_away(live: Live) -> Iterator[None]:
    live.stack.postgres.kill()
    try:
        yield
    finally:
        live.stack.postgres.start()
