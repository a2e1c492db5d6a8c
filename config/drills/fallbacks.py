"""The drills of the outside table: with a dependency away for this process, what its row promises happens.

What is looked at is kept from the workers by a lease, and given back to them in the end: all of it arrives. TABLE:
DRILLS, one a row of `documents.resilience.dependencies`.
"""

import json
from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from config.drills import aside, door, holding, leftovers, letters, receipts
from config.drills.registry import Drill, DrillContext, DrillFailed, Evidence
from documents import distribution, errors, outside_smtp
from documents.alerts import incidents, sending
from documents.delivery import deliveries
from documents.emission import locking
from documents.events import intake
from documents.models import Alert, DeliveryStatus, Document, Status
from documents.rendering import pool, render
from documents.resilience import clock
from documents.vault import full_probe, store

SKEW_S = 90.0


def _away_store() -> str:
    """Return the address of a store that is not there, of the same kind as the present one."""
    is_s3 = settings.VAULT_URL.startswith("s3:")
    return f"s3://simulacro?endpoint=http://{aside.NOWHERE}&region=none" if is_s3 else "file:///dev/null/simulacro"


def _waits(*, document: Document, cause: str) -> None:
    """Try to lock a document that is held, and see that it waits, is not served and will be tried again.

    :raises DrillFailed: it does not
    """
    locking.advance(document_id=document.pk, now=holding.later())
    document.refresh_from_db()
    if document.status != Status.ISSUED or document.cause != cause:
        raise DrillFailed(f"{document.number} is {document.status} {document.cause}")
    if document.next_try_at is None:
        raise DrillFailed(f"{document.number} is never tried again: {document.cause}")
    try:
        distribution.open(document=document, actor=receipts.ACTOR, purpose="view", now=timezone.now())
    except errors.Problem as problem:
        if problem.code == "document_not_ready":
            return
        raise
    raise DrillFailed(f"{document.number} was served though it is not locked")


def _said(*, document: Document) -> Evidence:
    return {"document": document.public_id, "waited for": document.cause}


def _vault(context: DrillContext) -> Evidence:
    """Without the vault a document waits as ISSUED, nothing unlocked is served; afterwards it is locked."""
    with holding.held(context=context, name="vault") as document, aside.away(VAULT_URL=_away_store()):
        _waits(document=document, cause="worm_unavailable")
    return _said(document=document)


def _renderer(context: DrillContext) -> Evidence:
    """With a renderer that does not start a document waits, and its data can be read; afterwards it is locked."""
    dead = pool.Pool(size=1, environment={"PYTHONHOME": "/nonexistent"})
    with holding.held(context=context, name="renderer") as document:
        with aside.away(), render.by(pool=dead):
            _waits(document=document, cause="render_failed")
        if json.loads(document.content)["number"] != document.number:
            raise DrillFailed(f"the data of {document.number} cannot be read")
    return _said(document=document)


def _clock(context: DrillContext) -> Evidence:
    """Beyond 60 s of skew nothing is locked; afterwards it is."""
    with holding.held(context=context, name="clock") as document:
        clock.note(skew_s=SKEW_S)
        try:
            with aside.away():
                _waits(document=document, cause="worm_bucket_misconfigured")
        finally:
            clock.note(skew_s=None)
    return _said(document=document)


def _vault_former(context: DrillContext) -> Evidence:
    """Without the former store documents are locked in the present one, and what lies in it is not served."""
    former = _away_store()
    with holding.held(context=context, name="former") as document, aside.away(VAULT_FORMER_URL=former):
        locking.advance(document_id=document.pk, now=holding.later())
        document.refresh_from_db()
        if document.status != Status.LOCKED:
            raise DrillFailed(f"{document.number} is {document.status} {document.cause}")
        try:
            store.read(key="simulacro", version="1", url=former)
        except errors.WormError as error:
            if error.code != "worm_unavailable":
                raise
            return {"document": document.public_id, "former": error.code}
    raise DrillFailed("something was read of a store that is not there")


def _vault_canary(context: DrillContext) -> Evidence:
    """Without the canary bucket documents are locked, and no full probe counts as made; a folder has none."""
    with holding.held(context=context, name="canary") as document, aside.away():
        locking.advance(document_id=document.pk, now=holding.later())
        document.refresh_from_db()
        if document.status != Status.LOCKED:
            raise DrillFailed(f"{document.number} is {document.status} {document.cause}")
        if not settings.VAULT_URL.startswith("s3:"):
            return {"document": document.public_id, "canary": "none: the vault is a folder"}
        try:
            made = full_probe.probe(canary=_away_store(), keys=None, actor=receipts.ACTOR, guarded=True)
        except errors.WormError as error:
            if error.code != "worm_unavailable":
                raise
            return {"document": document.public_id, "canary": error.code}
    raise DrillFailed(f"{made.public_id} is a full probe of a bucket that is not there")


def _redis(context: DrillContext) -> Evidence:
    """Without the broker the event is taken in, and the workers find the document by looking."""
    with aside.away():
        aside.opened(name="redis")
        event = receipts.receipt(
            context=holding.own(context=context, name="redis"), amount="11.00", net="10.00", tax="1.00", event="held"
        )
        answer = intake.receive(
            raw=json.dumps(event).encode(), services=["payments"], now=timezone.now(), actor=receipts.ACTOR
        )
        if answer.problem is not None:
            raise DrillFailed(f"the event was answered {answer.status} {answer.problem.code}")
        document = Document.objects.get(subject=f"payment:{event['data']['payment']['id']}")
        receipts.await_locked(document=document)
    return {"document": document.public_id, "event": str(event["id"])}


def _postgresql(context: DrillContext) -> Evidence:
    """Without PostgreSQL a sender is answered 503 with the time to come again, and nothing is accepted."""
    event = receipts.receipt(
        context=holding.own(context=context, name="postgresql"), amount="11.00", net="10.00", tax="1.00", event="lost"
    )
    with aside.away():
        status, retry_after = door.without_database(event=event, secret=context.secrets["payments"])
    if status != HTTPStatus.SERVICE_UNAVAILABLE or not retry_after:
        raise DrillFailed(f"the event was answered {status}, Retry-After {retry_after!r}")
    if Document.objects.filter(subject=f"payment:{event['data']['payment']['id']}").exists():
        raise DrillFailed("what was refused made a document")
    return {"refused": str(event["id"]), "answer": str(status), "retry after": f"{retry_after} s"}


def _mail(context: DrillContext) -> Evidence:
    """Without the mail server a mail waits and the document can be read; the mail is to nobody, and is withdrawn."""
    own = holding.own(context=context, name="mail")
    _event, _answer, document = receipts.issued(context=own, customer=f"cus_{own.run_id}")
    receipts.await_locked(document=document)
    rows = letters.queue(document=document)
    try:
        with aside.away(EMAIL_BACKEND=outside_smtp.DJANGO_SMTP, EMAIL_HOST=aside.HOST, EMAIL_PORT=aside.PORT):
            deliveries.send_next(rows=rows, now=timezone.now())
            opened = distribution.open(document=document, actor=receipts.ACTOR, purpose="view", now=timezone.now())
        mail = rows.get()
    finally:
        letters.withdraw(rows=rows)
    if mail.status != DeliveryStatus.QUEUED or mail.cause != "mail_unavailable" or mail.next_try_at is None:
        raise DrillFailed(f"the mail is {mail.status} {mail.cause}")
    return {"delivery": mail.public_id, "document": document.public_id, "read meanwhile": f"{len(opened.body)} bytes"}


def _channel(*, setting: str, other: str) -> Callable[[DrillContext], Evidence]:
    """Return the drill of a channel of alerts: without it an alert leaves by the other one, or waits in sight."""

    def look(context: DrillContext) -> Evidence:
        key = f"{leftovers.ALERT}:{context.run_id}:{setting}"
        with transaction.atomic():
            made = incidents.open_alert(code=leftovers.ALERT, dedup_key=key, values={"run": context.run_id})
            rows = Alert.objects.filter(pk=made.pk)
            rows.update(next_try_at=holding.later())  # until then no worker tries it: what is noted of it is of now
        try:
            with aside.away(**{setting: f"https://{aside.NOWHERE}/"}):
                sending.send_next(rows=rows, now=timezone.now())
                expected = other if other in sending.urls() else ""
            alert = rows.get()
            rows.update(next_try_at=timezone.now())
            if (alert.channel or "") != expected or (alert.sent_at is None and alert.next_try_at is None):
                raise DrillFailed(f"{alert.public_id} left by {alert.channel or 'no channel'}")
        finally:
            incidents.resolve_alert(dedup_key=key, actor=receipts.ACTOR, reason="drill")
        return {"alert": alert.public_id, "left by": expected or "none: it waits in the Document Center"}

    return look


DRILLS = (
    Drill(
        name="without_vault",
        shows="without the vault a document waits, and nothing unlocked is served",
        make=_vault,
    ),
    Drill(
        name="without_vault_former",
        shows="without the former store documents go on being locked",
        make=_vault_former,
    ),
    Drill(
        name="without_vault_canary",
        shows="without the canary bucket documents go on being locked, and no full probe counts as made",
        make=_vault_canary,
    ),
    Drill(
        name="without_mail",
        shows="without the mail server a mail waits, and its document can be read",
        make=_mail,
    ),
    Drill(
        name="without_redis",
        shows="without the broker workers find what is due by themselves",
        make=_redis,
    ),
    Drill(
        name="without_postgresql",
        shows="without PostgreSQL a sender is told when to come again",
        make=_postgresql,
    ),
    Drill(
        name="without_renderer",
        shows="without a renderer a document waits, and its data can be read",
        make=_renderer,
    ),
    Drill(
        name="without_clock",
        shows="with a clock that is off nothing is locked",
        make=_clock,
    ),
    Drill(
        name="without_alert_channel",
        shows="without the first channel an alert leaves by the second, or waits in sight",
        make=_channel(setting="ALERT_URL", other=sending.SECOND),
    ),
    Drill(
        name="without_alert_channel_2",
        shows="without the second channel an alert leaves by the first",
        make=_channel(setting="ALERT_URL_2", other=sending.FIRST),
    ),
)
