"""The sealed log looked at every hour: what came since the last look, and old parts of it drawn by lot, for a while.

It starts from the checkpoints in the vault, and from the last look that is on record, whichever is older: whoever could
forge the record of a look hides nothing of the last hours by it. What does not verify is a P1 until `verify_audit` has
read the whole log and found nothing.
"""

import datetime as dt
import itertools
import logging
import random
import time
from collections.abc import Iterator, Sequence

from django.conf import settings
from django.db import transaction

from audit import log, log_looks, log_rows, signing, tlog, tree, verification
from audit.actions import Action
from audit.log_findings import LogFinding, OuterCheckpoint
from audit.models import EventDetail, TreeHead
from documents import errors
from documents.alerts import incidents
from documents.custody import log_archive
from documents.models import Alert

logger = logging.getLogger(__name__)
ALERT = "sealed_log"  # the dedup key of a log that does not verify
LOOK_S, OF_THE_END = 60.0, 0.75  # a look, and how much of it may go to what is new
TILES_MAX = 400  # of a look: a hundred thousand events
OUTER, NAMED_MAX = 3, 10
OBJECT = "audit_log"


def look(*, now: dt.datetime, limit_s: float = LOOK_S) -> list[LogFinding]:
    """Look for a while, put the look on record, and open the alert where something does not verify.

    :returns: the first findings
    :raises django.db.Error: when the database does not answer
    """
    began = time.monotonic()
    head = tree.head()
    if head is None:
        return []
    outer = _outer()
    keys = keys_of(outer=outer)
    findings, size = _end(outer=outer, keys=keys, now=now, until=began + limit_s * OF_THE_END)
    drawn = 0
    root, _faults = log_rows.head_says(head=head, keys=keys)
    if root and not findings:
        checkpoint = tlog.Checkpoint(origin="", size=head.size, root=root)
        for faults in _old(checkpoint=checkpoint, now=now):
            drawn, findings = drawn + 1, [*findings, *faults]
            if time.monotonic() - began > limit_s or len(findings) >= NAMED_MAX:
                break
    with transaction.atomic():
        log.record(
            action=Action.LOG_VERIFIED,
            object_type=OBJECT,
            object_id=OBJECT,
            actor=log.SYSTEM,
            outcome="failed" if findings else "ok",
            details={"size": size, "tiles": drawn, "findings": len(findings)},
        )
    if findings:
        warn(findings=findings)
    return findings


def keys_of(*, outer: Sequence[OuterCheckpoint]) -> list[tlog.LogKey]:
    """Return the keys by which this deployment signs, and those that the log had when the last checkpoint was made.

    Of what came into the log later only a newer checkpoint can say that it was not put there by force.
    """
    newest = max((outside.checkpoint for outside in outer), key=lambda checkpoint: checkpoint.size, default=None)
    name = newest.origin if newest is not None else signing.origin()
    own = [tlog.public_key(name=name, private=private) for private in signing.private_keys()]
    sealed = signing.history(size=newest.size) if newest is not None else []
    return list(dict.fromkeys([*own, *(sealed or signing.history())]))


def warn(*, findings: Sequence[LogFinding]) -> None:
    """Open the P1 of a log that does not verify, or let it say what is seen now."""
    values: dict[str, errors.Value] = {
        "cause": "sealed",
        "faults": [f"{finding.row}: {finding.code}" for finding in findings[:NAMED_MAX]],
    }
    if Alert.objects.filter(dedup_key=ALERT, resolved_at=None).exists():
        incidents.renew(dedup_key=ALERT, values=values)
    else:
        incidents.open_alert(code="audit_broken", dedup_key=ALERT, values=values, object_id=OBJECT)


def is_sound() -> None:
    """Resolve that P1: the whole log has been read, and it is what was sealed."""
    incidents.resolve_alert(dedup_key=ALERT)


def _outer() -> list[OuterCheckpoint]:
    """Return the last checkpoints in the vault; none while it does not answer, which is an incident of its own."""
    try:
        newest = log_archive.newest_checkpoints(count=OUTER)
    except errors.WormError:
        logger.warning("log_look.without_vault")
        return []
    return [OuterCheckpoint(source="vault", note=note) for _size, note in newest]


def _end(
    *, outer: list[OuterCheckpoint], keys: list[tlog.LogKey], now: dt.datetime, until: float
) -> tuple[list[LogFinding], int]:
    """Walk over what came since the last look; return what is wrong, and how far it came."""
    sizes = [outside.checkpoint.size for outside in outer]
    begin = TreeHead.objects.filter(size__lte=min([_recorded(), *sizes])).order_by("-size").first()
    progress, findings = log_looks.begun(size=0, root=b"")
    if begin is not None:
        root, faults = log_rows.head_says(head=begin, keys=keys)
        progress, wrong = log_looks.begun(size=begin.size, root=root)
        findings = [*faults, *wrong]
    since = now - dt.timedelta(days=settings.AUDIT_DETAILS_DAYS)
    walk = verification.verify(outer=outer, keys=keys, progress=progress, details_since=since)
    for said in walk:
        if not isinstance(said, int):
            findings.append(said)
        if time.monotonic() > until or len(findings) >= NAMED_MAX:
            break
    return findings, progress.size


def _recorded() -> int:
    """Return up to where the last look came."""
    looks = EventDetail.objects.filter(event__object_id=OBJECT, event__action=Action.LOG_VERIFIED)
    size = (looks.order_by("-pk").values_list("details", flat=True).first() or {}).get("size", 0)
    return size if isinstance(size, int) else 0


def _old(*, checkpoint: tlog.Checkpoint, now: dt.datetime) -> Iterator[list[LogFinding]]:
    """Yield what is wrong with one full tile after the other, in an order that nobody can foresee."""
    since = now - dt.timedelta(days=settings.AUDIT_DETAILS_DAYS)
    count = checkpoint.size // log_looks.WIDTH
    drawn = random.SystemRandom().sample(range(count), min(count, TILES_MAX))
    for index in drawn:
        yield list(
            itertools.islice(log_looks.tile_faults(index=index, checkpoint=checkpoint, details_since=since), NAMED_MAX)
        )
