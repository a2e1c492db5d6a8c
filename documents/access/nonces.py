"""A nonce in every form behind a sign-in: sent twice, a form does what it does once, and gives the same page.

A double click, the Back button and an impatient phone send a form again. The first claims the nonce; who comes while
it is at work waits for it, and who comes later gets its page again. What is refused, and what hands out a file, has not
changed anything that could be doubled: its nonce is free again. Answers are kept as those of an `Idempotency-Key`, but
sealed with the nonce, which is kept nowhere: a page may show what is shown once.
"""

import base64
import contextlib
import functools
import hashlib
import secrets
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, cast

from cryptography.fernet import Fernet
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.html import format_html
from django.utils.safestring import SafeString

from audit import log
from audit.actions import Action
from documents import errors
from documents.access import actors, idempotency
from documents.access.admission import View
from documents.models import IdempotentAnswer

NAME, LENGTH_MAX = "nonce", 64
AT_WORK = 0  # the status of what has no answer yet
WAIT_S, LOOK_EVERY_S = 10.0, 0.1
DEAD_S = 120.0  # the process of who is at work for so long has died: nothing here takes as long


def in_forms(_request: HttpRequest) -> dict[str, object]:
    """Give every template the field of its forms, `form_nonce`: a context processor."""
    return {"form_nonce": SimpleLazyObject(_field)}


def _field() -> SafeString:
    return format_html('<input type="hidden" name="{}" value="{}">', NAME, secrets.token_urlsafe(18))


def once(view: View) -> View:
    """Wrap a view: a form with the same nonce is done once, whoever else sends it again meanwhile or later.

    :raises errors.Problem: `idempotency_in_progress`: the first one has not finished for ten seconds
    """

    @functools.wraps(view)
    def done_once(request: HttpRequest, **handed: Any) -> HttpResponseBase:
        nonce = request.POST.get(NAME, "")[:LENGTH_MAX] if request.method == "POST" else ""
        if not nonce:
            return view(request, **handed)
        digest = _digest(request=request, nonce=nonce)
        earlier = _claimed(digest=digest)
        if earlier is not None:
            return _again(request=request, answer=earlier, nonce=nonce)
        with _released_unless_done(digest=digest):
            response = view(request, **handed)
            _note(digest=digest, response=response, nonce=nonce)
        return response

    return done_once


def _digest(*, request: HttpRequest, nonce: str) -> str:
    """Return what names a form that was sent: by whom, to where, and with which nonce."""
    actor = actors.actor(request=request)
    return hashlib.sha256(f"form\n{actor.kind}\n{actor.id}\n{request.path}\n{nonce}".encode()).hexdigest()


def _claimed(*, digest: str) -> IdempotentAnswer | None:
    """Claim a form, or wait for who has; return what the other one answered.

    :raises errors.Problem: `idempotency_in_progress`
    """
    until = time.monotonic() + WAIT_S
    while True:
        answer, is_mine = IdempotentAnswer.objects.get_or_create(
            request_digest=digest, defaults={"fingerprint": "", "status": AT_WORK}
        )
        if is_mine:
            return None
        if answer.status != AT_WORK:
            return answer
        if (timezone.now() - answer.created_at).total_seconds() > DEAD_S:
            # Only that one's claim: another who waits may have claimed the form anew meanwhile.
            IdempotentAnswer.objects.filter(pk=digest, status=AT_WORK, created_at=answer.created_at).delete()
        elif time.monotonic() > until:
            raise errors.Problem(code="idempotency_in_progress", values={"wait_s": int(WAIT_S)})
        else:
            time.sleep(LOOK_EVERY_S)


@contextlib.contextmanager
def _released_unless_done(*, digest: str) -> Iterator[None]:
    """Free the nonce of what has not been done, so that the form can be sent again."""
    try:
        yield
    finally:
        _release(digest=digest)


def _release(*, digest: str) -> None:
    IdempotentAnswer.objects.filter(pk=digest, status=AT_WORK).delete()


def _note(*, digest: str, response: HttpResponseBase, nonce: str) -> None:
    """Note what was answered to what has been done."""
    if response.status_code >= HTTPStatus.BAD_REQUEST or response.streaming or "Content-Disposition" in response:
        return
    page = cast("HttpResponse", response)
    if isinstance(page, SimpleTemplateResponse):
        page.render()
    with transaction.atomic():
        idempotency.purge(now=timezone.now(), besides=[digest])
        IdempotentAnswer.objects.create(
            request_digest=digest,
            status=page.status_code,
            headers={name: page[name] for name in idempotency.HEADERS if name in page},
            body=_cipher(nonce=nonce).encrypt(page.content).decode(),
            fingerprint="",
        )


def _again(*, request: HttpRequest, answer: IdempotentAnswer, nonce: str) -> HttpResponse:
    """Give the first one's page again, on record."""
    name = request.resolver_match.view_name if request.resolver_match else ""
    with transaction.atomic():
        log.record(
            action=Action.REQUEST_REPEATED, object_type="route", object_id=name, actor=actors.actor(request=request)
        )
    body = _cipher(nonce=nonce).decrypt(answer.body)
    return HttpResponse(body, status=answer.status, headers={**answer.headers, idempotency.REPLAYED: "true"})


def _cipher(*, nonce: str) -> Fernet:
    """Return what seals the pages of one form."""
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(f"page:{nonce}".encode()).digest()))
