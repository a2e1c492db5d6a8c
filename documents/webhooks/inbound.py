"""Events come in here: a Standard Webhooks signature over the raw body is the identity of the sending service."""

import datetime as dt
import hmac

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from audit import log
from audit.actions import Action
from documents import errors, formatting, metrics
from documents.access import actors, ownership, pages
from documents.access.admission import Admitted, Ownership, Visit, any_document
from documents.events import intake
from documents.sentences import writing
from documents.webhooks import signing

HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
ID_LENGTH_MAX = 128
SIGNATURES_MAX = 10
SECONDS_DIGITS_MAX = 12


@ownership.resolver(Ownership.SIGNATURE)
def signed(visit: Visit) -> Admitted:
    """Check the signature of a request, and hand over its raw body with the services that have signed it.

    :raises errors.Problem: `payload_too_large`, `webhook_signature_invalid`, `webhook_stale`
    """
    now, request = timezone.now(), visit.request
    raw = _body(request)
    services = _signers(request=request, raw=raw, now=now)
    return Admitted(handed={"raw": raw, "services": services, "now": now}, covers=any_document)


@csrf_exempt
def events(request: HttpRequest, raw: bytes, services: list[str], now: dt.datetime) -> HttpResponse:
    """Take in one signed event and answer what became of it (POST /api/v1/events/)."""
    try:
        actor = actors.service(request=request, name=services[0])
        answer = intake.receive(raw=raw, services=services, now=now, actor=actor)
    except errors.Problem as problem:
        _deny(request=request, code=problem.code, service=services[0])
        raise
    if answer.problem is not None:
        raise answer.problem
    body = answer.body
    if isinstance(stored := body.get("errors"), list):
        body = {**body, "errors": writing.answered(stored=stored, language=formatting.language())}
    return JsonResponse(body, status=answer.status)


def _body(request: HttpRequest) -> bytes:
    """Return the raw body, refusing one over the limit before reading it all.

    :raises errors.Problem: `payload_too_large`
    """
    too_big = pages.declared_bytes(request=request) > settings.EVENT_BODY_BYTES_MAX
    raw = b"" if too_big else request.read(settings.EVENT_BODY_BYTES_MAX + 1)
    if too_big or len(raw) > settings.EVENT_BODY_BYTES_MAX:
        _deny(request=request, code="payload_too_large")
        raise errors.Problem(code="payload_too_large")
    return raw


def _signers(*, request: HttpRequest, raw: bytes, now: dt.datetime) -> list[str]:
    """Return the services whose secret signed the request.

    :raises errors.Problem: `webhook_signature_invalid`, `webhook_stale`
    """
    message_id = request.headers.get("webhook-id", "")
    timestamp = request.headers.get("webhook-timestamp", "")
    given = [
        text.removeprefix("v1,")
        for text in request.headers.get("webhook-signature", "").split(" ")[:SIGNATURES_MAX]
        if text.startswith("v1,")
    ]
    formed = (
        0 < len(message_id) <= ID_LENGTH_MAX,
        timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= SECONDS_DIGITS_MAX,
        bool(given),
    )
    services: list[str] = []
    if all(formed):
        signed = b"%s.%s.%s" % (message_id.encode(), timestamp.encode(), raw)
        services = [
            service
            for service, secrets in settings.WEBHOOK_SECRETS.items()
            if any(
                hmac.compare_digest(signing.sign(secret=secret, signed=signed), signature)
                for secret in secrets
                for signature in given
                if signature.isascii()
            )
        ]
    if not services:
        _deny(request=request, code="webhook_signature_invalid")
        wrong = [name for name, is_formed in zip(HEADERS, formed, strict=True) if not is_formed]
        raise errors.Problem(code="webhook_signature_invalid", values=_cause(wrong=wrong))
    if abs(now.timestamp() - int(timestamp)) > settings.WEBHOOK_TOLERANCE_S:
        _deny(request=request, code="webhook_stale", service=services[0])
        off: dict[str, errors.Value] = {"off_s": int(now.timestamp()) - int(timestamp)}
        raise errors.Problem(code="webhook_stale", values={**off, "most_s": settings.WEBHOOK_TOLERANCE_S})
    return services


def _cause(*, wrong: list[str]) -> dict[str, errors.Value]:
    """Return what is wrong with a signature: which headers are missing or malformed, or that they do not fit."""
    return {"cause": "headers", "headers": wrong} if wrong else {"cause": "mismatch"}


def _deny(*, request: HttpRequest, code: str, service: str = "") -> None:
    """Record that a request was refused before it was stored; the record is all that is left of it."""
    metrics.DENIED.labels(code=code).inc()
    log.deny(
        actor=actors.service(request=request, name=service),
        object_type="webhook",
        object_id="events",
        code=code,
        action=Action.EVENT_DENIED,
    )
