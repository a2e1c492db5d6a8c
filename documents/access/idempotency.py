"""`Idempotency-Key` on every change over the API: done once, answered again.

The answer is stored in the transaction of the change: a process that dies between the two leaves neither. What a caller
may do is asked before: a repeat is answered only to who may still see what it is about.
"""

import contextlib
import datetime as dt
import functools
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, cast

import rfc8785
from django.conf import settings
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from audit import log
from audit.actions import Action
from documents import errors
from documents.access import actors, pages
from documents.access.admission import View
from documents.models import IdempotentAnswer

HEADER, REPLAYED = "Idempotency-Key", "Idempotent-Replayed"
LIFE = dt.timedelta(days=30)
PURGED_AT_ONCE = 20
RETRY_AFTER_S = 1
SECRETS = frozenset({"password"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
OPTIONAL = frozenset({"PUT"})  # which is the same however often it is done
UNSTORED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS})
HEADERS = ("Content-Type", "Location", "ETag", "Allow")
Outside = Callable[..., Mapping[str, Any]]
_KEY = re.compile(r'"?([A-Za-z0-9_-]{8,128})"?', re.ASCII)


def asking_first(view: View, *, outside: Outside) -> View:
    """Have what a change depends on of another system asked before its transaction: no lock waits for that.

    :param outside: what asks; the view gets what it returns besides, and decides by what is in the database then.
    """
    view.__dict__["outside"] = outside  # where `once` finds it
    return view


def once(view: View) -> View:
    """Wrap a view of the API: whatever it changes is changed once for each key of a caller.

    An answer may name, in its attribute `shown_once`, members that are secrets: they are null when it is given again.

    :raises errors.Problem: `idempotency_key_missing`, `validation_error`, `idempotency_in_progress`,
        `idempotency_key_reused`, `payload_too_large`
    """
    outside: Outside | None = view.__dict__.get("outside")

    @functools.wraps(view)
    def done_once(request: HttpRequest, **handed: Any) -> HttpResponseBase:
        if request.method in SAFE:
            return view(request, **handed)
        if request.method in OPTIONAL and HEADER not in request.headers:
            with transaction.atomic():
                return _changed(view=view, request=request, handed=handed)
        digest, fingerprint = _request_digest(request=request), _fingerprint(body=_body(request=request))
        if outside is not None:
            with transaction.atomic():
                response = _earlier(request=request, digest=digest, fingerprint=fingerprint)
            if response is not None:
                return response
            handed = {**handed, **outside(request, **handed)}
        with transaction.atomic():
            response = _earlier(request=request, digest=digest, fingerprint=fingerprint)
            if response is None:
                response = _changed(view=view, request=request, handed=handed)
                _store(digest=digest, fingerprint=fingerprint, response=response)
        return response

    return done_once


def purge(*, now: dt.datetime, besides: Iterable[str] = ()) -> None:
    """Delete some of the answers that have had their time, and those `besides`."""
    expired = IdempotentAnswer.objects.filter(created_at__lte=now - LIFE).order_by("created_at")
    gone = [*besides, *expired.values_list("pk", flat=True)[:PURGED_AT_ONCE]]
    IdempotentAnswer.objects.filter(pk__in=gone).delete()


def _earlier(*, request: HttpRequest, digest: str, fingerprint: str) -> HttpResponse | None:
    """Keep other tries of a change away until the end of the transaction; return the answer of one that was made.

    :raises errors.Problem: `idempotency_in_progress`, `idempotency_key_reused`
    """
    _lock(digest=digest)
    answer = IdempotentAnswer.objects.filter(pk=digest).first()
    if answer is None or answer.created_at <= timezone.now() - LIFE:
        return None
    return _again(request=request, answer=answer, fingerprint=fingerprint)


def _request_digest(*, request: HttpRequest) -> str:
    """Return what names a change: who asks for it, where, and by which key.

    :raises errors.Problem: `idempotency_key_missing`, `validation_error`
    """
    text = request.headers.get(HEADER, "").strip()
    if not text:
        raise errors.Problem(code="idempotency_key_missing")
    key = _KEY.fullmatch(text)
    if key is None or text.count('"') % 2:
        raise errors.Problem(
            code="validation_error", errors=[errors.Fault(pointer=f"/{HEADER}", code="idempotency_key")]
        )
    parts = (_caller(request=request), request.method, request.get_full_path(), key[1])
    return hashlib.sha256("\n".join(str(part) for part in parts).encode()).hexdigest()


def _caller(*, request: HttpRequest) -> str:
    """Return whose the key is: the party's or the user's, so that another key of the same may ask again."""
    key = actors.key_of(request=request)
    return f"party:{key.party_id}" if key and key.party_id else f"user:{request.user.pk}"


def _body(*, request: HttpRequest) -> bytes:
    """Return the body, which is no longer than that of an event.

    :raises errors.Problem: `payload_too_large`
    """
    if pages.declared_bytes(request=request) > settings.EVENT_BODY_BYTES_MAX:
        raise errors.Problem(code="payload_too_large")
    return request.body


def _fingerprint(*, body: bytes) -> str:
    """Return the SHA-256 of a body: of its canonical form where it is JSON, without a secret that could be guessed."""
    with contextlib.suppress(ValueError, RecursionError):  # the view refuses it, the same at every try
        stated = json.loads(body)
        if isinstance(stated, dict):
            stated = {name: value for name, value in stated.items() if name not in SECRETS}
        body = rfc8785.dumps(stated)
    return hashlib.sha256(body).hexdigest()


def _lock(*, digest: str) -> None:
    """Keep other tries of the same change away until the end of the transaction.

    :raises errors.Problem: `idempotency_in_progress`
    """
    with connection.cursor() as cursor:
        number = int.from_bytes(bytes.fromhex(digest)[:8], "big", signed=True)
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        (mine,) = cursor.fetchone()
    if not mine:
        raise errors.Problem(code="idempotency_in_progress", values={"wait_s": RETRY_AFTER_S})


def _again(*, request: HttpRequest, answer: IdempotentAnswer, fingerprint: str) -> HttpResponse:
    """Give a stored answer again, on record.

    :raises errors.Problem: `idempotency_key_reused`
    """
    if answer.fingerprint != fingerprint:
        raise errors.Problem(code="idempotency_key_reused")
    name = request.resolver_match.view_name if request.resolver_match else ""
    log.record(action=Action.REQUEST_REPEATED, object_type="route", object_id=name, actor=actors.actor(request=request))
    return HttpResponse(answer.body, status=answer.status, headers={**answer.headers, REPLAYED: "true"})


def _changed(*, view: View, request: HttpRequest, handed: dict[str, Any]) -> HttpResponse:
    """Let the view do it; of what it refuses or fails at, nothing is left but its answer."""
    with transaction.atomic():
        response = cast("HttpResponse", view(request, **handed))
        render = getattr(response, "render", None)
        if callable(render):
            response = render()
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            transaction.set_rollback(True)
    return response


def _store(*, digest: str, fingerprint: str, response: HttpResponse) -> None:
    """Store an answer, unless another try may be answered otherwise."""
    if response.status_code in UNSTORED or response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return
    secret = getattr(response, "shown_once", ())
    body = response.content.decode()
    if secret:
        body = json.dumps({**json.loads(body), **dict.fromkeys(secret)})
    purge(now=timezone.now(), besides=[digest])
    IdempotentAnswer.objects.create(
        request_digest=digest,
        fingerprint=fingerprint,
        status=response.status_code,
        headers={name: response[name] for name in HEADERS if name in response},
        body=body,
    )
