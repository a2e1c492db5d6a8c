"""The other side of the webhook door: signs events as the platform's services do and posts them."""

import dataclasses
import http.client
import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from config import progress
from config.events import TABLE
from documents.webhooks import signing

PATH = "/api/v1/events/"
TIMEOUT_S = 30
TRIES_MAX = 6


@dataclasses.dataclass(frozen=True, kw_only=True)
class PostedEvent:
    """One event with the answer to it."""

    event_id: str
    status: int
    body: dict[str, Any]


def service_of(*, event: Mapping[str, Any]) -> str:
    """Return the platform service that sends a type; `orders` for a type that nobody knows."""
    row = TABLE.get(str(event.get("type")))
    return row.service if row else "orders"


def post(*, base_url: str, event: Mapping[str, Any], secret: str) -> PostedEvent:
    """Sign and post one event; what may be tried again (5xx, no connection) is, with pauses.

    :raises OSError: the server did not answer at all
    :raises http.client.HTTPException: what answers there does not speak HTTP
    """
    body = json.dumps(event, ensure_ascii=False).encode()
    parts = urlsplit(base_url)
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    for attempt in range(1, TRIES_MAX + 1):
        connection = make(parts.netloc, timeout=TIMEOUT_S)
        try:
            connection.request(
                "POST", parts.path.rstrip("/") + PATH, body=body, headers=headers(body=body, secret=secret)
            )
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException):
            if attempt == TRIES_MAX:
                raise
            time.sleep(0.2 * 2**attempt)
            continue
        finally:
            connection.close()
        if response.status < HTTPStatus.INTERNAL_SERVER_ERROR or attempt == TRIES_MAX:
            break
        time.sleep(0.2 * 2**attempt)
    return PostedEvent(event_id=str(event.get("id")), status=response.status, body=_body(answer=answer))


def _body(*, answer: bytes) -> dict[str, Any]:
    """Read an answer; one that is no JSON object comes from somebody else, a proxy perhaps."""
    try:
        body = json.loads(answer or b"{}")
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {"code": "not_json", "detail": "the answer is not this service's"}


def headers(*, body: bytes, secret: str) -> dict[str, str]:
    """Return the Standard Webhooks headers of a body, signed now."""
    message_id, timestamp = f"msg_{uuid.uuid4().hex}", str(int(time.time()))
    signed = b"%s.%s.%s" % (message_id.encode(), timestamp.encode(), body)
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signing.sign(secret=secret, signed=signed)}",
    }


def post_all(
    *,
    base_url: str,
    events: Sequence[Mapping[str, Any]],
    secrets: Mapping[str, str],
    senders: int = 1,
    answered: Callable[[Mapping[str, Any], PostedEvent], None] = lambda _event, _answer: None,
) -> list[PostedEvent]:
    """Post a list, by `senders` at once, with progress; a list sent twice changes nothing.

    `answered` is told each event with its answer as soon as it has come, also what was still under way at a break.

    :raises OSError: the server did not answer
    :raises http.client.HTTPException: what answers there does not speak HTTP
    """
    sent: list[PostedEvent] = []
    with (
        progress.progress(label="eventos", total=len(events)) as step,
        ThreadPoolExecutor(max_workers=senders) as threads,
    ):
        jobs = {
            threads.submit(post, base_url=base_url, event=event, secret=secrets[service_of(event=event)]): event
            for event in events
        }
        try:
            for job in as_completed(jobs) if senders > 1 else list(jobs):
                answer, event = job.result(), jobs.pop(job)
                sent.append(answer)
                answered(event, answer)
                step(note=f"{answer.status} {answer.event_id}")
        except BaseException:  # Ctrl-C, a signal, or nobody answers: the rest of the list is not tried
            threads.shutdown(cancel_futures=True)
            for job, event in jobs.items():
                if not job.cancelled() and job.exception() is None:
                    answered(event, job.result())
            raise
    return sent
