"""TABLE: the drills of `validate_operations`. Documents are made for the drills' own issuer alone, and mail nobody."""

import contextlib
import io
import time
from http import HTTPStatus

from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from audit import inspection as log_inspection
from audit import log, tree
from audit.models import Event as LoggedEvent
from config.drills import backups, fallbacks, leftovers, receipts
from config.drills.registry import Drill, DrillContext, DrillFailed, Evidence
from documents import identifiers
from documents.alerts import discrepancies, incidents
from documents.custody import inspection, verification
from documents.models import Alert, Delivery, Discrepancy, Document, ProbeExtent
from documents.operations import checks
from documents.resilience import dependencies
from documents.vault import full_probe, probes

VERIFY_FAULT = 2  # the exit code of `verify_audit` where something is wrong
FOREIGN_TYPE = "ORDER_COMPLETED"  # which only the service `orders` may send


def idempotent_replay(context: DrillContext) -> Evidence:
    """Send one event twice: one document, one number, and the repeat names the same; what else it says is as of now."""
    event, first, document = receipts.issued(context=context)
    if receipts.named(answer=first) != [(document.public_id, document.number)]:
        raise DrillFailed(f"the event was answered {first.status} and does not name {document.public_id} alone")
    second = receipts.post(context=context, event=event)
    if second.status != HTTPStatus.OK or receipts.named(answer=second) != receipts.named(answer=first):
        raise DrillFailed(f"the repeat was answered {second.status} and names other documents")
    if Document.objects.filter(subject=document.subject).count() != 1:
        raise DrillFailed("the repeat made a document")
    return {"event": str(event["id"]), "document": document.public_id, "number": document.number}


def divergent_repeat(context: DrillContext) -> Evidence:
    """State the same payment with another amount: nothing is issued, what was issued stays, and somebody is told.

    The discrepancy that says so is resolved at once: it is the drill's own.
    """
    _event, _answer, document = receipts.issued(context=context)
    before = (document.content_sha256, document.number)
    other = receipts.receipt(context=context, amount="22.00", net="20.00", tax="2.00", event="other")
    answer = receipts.post(context=context, event=other)
    rows = list(Document.objects.filter(subject=document.subject).values_list("content_sha256", "number"))
    opened = list(Discrepancy.objects.filter(code="divergent_repeat", document=document, resolved_at=None))
    called = Alert.objects.filter(dedup_key__in=[discrepancies.alert_key(row=row) for row in opened]).count()
    for row in opened:
        with transaction.atomic():
            discrepancies.resolve(
                dedup_key=row.dedup_key, resolution=context.run_id, actor=receipts.ACTOR, now=timezone.now()
            )
    if rows != [before]:
        raise DrillFailed(f"there are {len(rows)} documents of one payment, or another one")
    if answer.status != HTTPStatus.OK or receipts.named(answer=answer) != [(document.public_id, document.number)]:
        raise DrillFailed(f"the repeat was answered {answer.status} and does not name {document.public_id} alone")
    if (len(opened), called) != (1, 1):
        raise DrillFailed(f"{len(opened)} discrepancies and {called} alerts say that a payment was stated twice")
    return {"event": str(other["id"]), "answer": str(answer.status), "discrepancy": opened[0].public_id}


def locked_and_read_back(context: DrillContext) -> Evidence:
    """See that the document reaches the vault, read it back there under its lock, and that nobody is written to."""
    _event, _answer, document = receipts.issued(context=context)
    receipts.await_locked(document=document)
    joined = Document.objects.select_related(*inspection.JOINED).get(pk=document.pk)
    rungs = verification.climb(document=joined, actor=receipts.ACTOR, now=timezone.now())
    broken = [f"{rung.rung} {rung.code}".strip() for rung in rungs if rung.outcome is verification.RungOutcome.FAILED]
    if broken:
        raise DrillFailed(f"{document.number} is not what was promised: {', '.join(broken)}")
    if Delivery.objects.filter(document=document, message_id__gt="", sent_at__isnull=False).exists():
        raise DrillFailed("a drill has written to somebody")
    return {"document": document.public_id, "sha256": document.file_sha256, "version": document.vault_version}


def worm_attacks(_context: DrillContext) -> Evidence:
    """Attack the vault's own canary, and the canary bucket where there is one: each attempt is refused."""
    made = [probes.record(extent=ProbeExtent.DAILY, actor=receipts.ACTOR)]
    if settings.VAULT_CANARY_URL:
        made.append(full_probe.probe(canary=settings.VAULT_CANARY_URL, keys=None, actor=receipts.ACTOR, guarded=True))
    for probe in made:
        if not probe.passed:
            raise DrillFailed(f"{probe.code}: an attack went through ({probe.public_id})")
    return {
        "probe": " ".join(probe.public_id for probe in made),
        "attacks": " ".join(str(len(probe.attempts)) for probe in made),
        "mode": made[0].mode,
    }


def audit_verified(_context: DrillContext) -> Evidence:
    """Hash the whole log anew and hold it against a checkpoint outside of PostgreSQL."""
    said = io.StringIO()
    try:
        call_command("verify_audit", stdout=said, stderr=said)
    except CommandError as error:
        raise DrillFailed(str(error)) from error
    except SystemExit as ended:
        if ended.code != VERIFY_FAULT:
            raise  # a signal has come
        raise DrillFailed(said.getvalue().strip()[-300:]) from ended
    head = tree.head()
    return {"events": str(head.size if head else 0), "seen": said.getvalue().strip().splitlines()[0][:200]}


def audit_guards(_context: DrillContext) -> Evidence:
    """Look whether the database would still refuse to change the log: its triggers, functions, owners and rights."""
    weak = log_inspection.weaknesses()
    if weak:
        raise DrillFailed("; ".join(f"{name} {fault}" for name, fault in sorted(weak.items()))[:300])
    return {"guards": "each as provisioned", "role": str(connection.settings_dict["USER"])}


def denial_survives_rollback(context: DrillContext) -> Evidence:
    """Be refused by the service and by this process, where all else is rolled back: both refusals stay on record.

    The service refuses an event whose type the signing service may not send, with 403.
    """
    event = receipts.receipt(context=context, amount="11.00", net="10.00", tax="1.00", event="denied")
    answer = receipts.post(context=context, event={**event, "type": FOREIGN_TYPE})
    asked = LoggedEvent.objects.filter(request_id=answer.body.get("request_id") or "-", outcome="denied")
    if answer.status != HTTPStatus.FORBIDDEN or asked.count() != 1:
        raise DrillFailed(f"the service answered {answer.status}, of which {asked.count()} denials are on record")
    object_id = f"drill_{context.run_id}"
    with contextlib.suppress(DrillFailed), transaction.atomic():
        log.deny(actor=receipts.ACTOR, object_type="route", object_id=object_id, code="role_not_allowed")
        raise DrillFailed
    log.flush_denials()
    kept = LoggedEvent.objects.filter(object_id=object_id, outcome="denied").values_list("pk", flat=True)
    if len(kept) != 1:
        raise DrillFailed(f"{len(kept)} records of one refusal")
    return {"event": f"{asked.get().pk} {kept[0]}", "code": f"{answer.body.get('code', '')} role_not_allowed"}


def dependencies_answer(_context: DrillContext) -> Evidence:
    """Ask every dependency that can be asked within its own limit; of the others, say so: nothing was seen of them."""
    took: dict[str, str] = {}
    for name, row in dependencies.DEPENDENCIES.items():
        if checks.CHECKS[name] is checks.breaker_only:
            took[name] = "not asked"  # asking costs or has an effect; lock and alert have drills of their own
            continue
        began = time.monotonic()
        try:
            checks.CHECKS[name]()
        except Exception as error:
            raise DrillFailed(f"{name}: {type(error).__name__}: {error}") from error
        seconds = time.monotonic() - began
        if seconds > row.total_s + 1:
            raise DrillFailed(f"{name} took {seconds:.1f} s of {row.total_s} s")
        took[name] = f"{seconds * 1000:.0f} ms"
    return took


def alert_channel(context: DrillContext) -> Evidence:
    """Open an alert, have it sent, resolve it, and have that sent: the channel works from end to end."""
    key = f"{leftovers.ALERT}:{context.run_id}"
    with transaction.atomic():
        alert = incidents.open_alert(code=leftovers.ALERT, dedup_key=key, values={"run": context.run_id})
    rows = Alert.objects.filter(pk=alert.pk)
    try:
        _await_sent(rows=rows.filter(sent_at__isnull=False), what=alert.public_id)
    finally:
        incidents.resolve_alert(dedup_key=key, actor=receipts.ACTOR, reason="drill")
    _await_sent(rows=rows.filter(resolution_sent_at__isnull=False), what=f"the end of {alert.public_id}")
    return {"alert": alert.public_id, "left by": rows.get().channel}


def _await_sent(*, rows: QuerySet[Alert], what: str) -> None:
    """Wait until a channel has taken something.

    :raises DrillFailed: none has, within SENT_WITHIN_S
    """
    if not receipts.within(seconds=receipts.SENT_WITHIN_S, holds=rows.exists):
        raise DrillFailed(f"{what} was not sent within {receipts.SENT_WITHIN_S:.0f} s")


def clock(_context: DrillContext) -> Evidence:
    """Compare the time of this machine with that of PostgreSQL."""
    said = checks.CHECKS["clock"]()
    if said == checks.NOT_COMPARABLE:
        raise DrillFailed(said)
    return {"skew": said}


def run_id() -> str:
    """Return a new name of a run, which its events and documents bear."""
    return identifiers.new(prefix="drl")


DRILLS = (
    Drill(name="idempotent_replay", shows="an event sent twice makes one document", make=idempotent_replay),
    Drill(name="divergent_repeat", shows="a repeat that says something else changes nothing", make=divergent_repeat),
    Drill(name="worm_lock", shows="a document is locked and read back; nobody is mailed", make=locked_and_read_back),
    Drill(name="worm_attacks", shows="the vault refuses every attempt to change or remove", make=worm_attacks),
    Drill(name="audit_verification", shows="the log is what a checkpoint outside says", make=audit_verified),
    Drill(name="audit_guards", shows="the database refuses to change the log", make=audit_guards),
    Drill(
        name="denial_audit", shows="a 403 stays on record though all else is rolled back", make=denial_survives_rollback
    ),
    Drill(name="dependencies", shows="what can be asked answers within its limit", make=dependencies_answer),
    Drill(name="alert_channel", shows="an alert reaches the channel", make=alert_channel),
    *fallbacks.DRILLS,
    Drill(
        name="backup_age",
        shows="a backup was taken within the time that the alert allows",
        make=backups.age(what="taken"),
    ),
    Drill(
        name="restore_age",
        shows="a backup was restored in a drill within the time that the alert allows",
        make=backups.age(what="restored"),
    ),
    Drill(name="clock", shows="this machine and PostgreSQL agree on the time", make=clock),
)
