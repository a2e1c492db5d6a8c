"""The probes of the deployment's vault: due once a day, on record, and what follows from the last one.

A store that let an attack through is not used: nothing is locked from then on, in any process, until a probe passes.
No number is given before one probe of this VAULT_URL has passed. A store that does not answer has not been probed.
"""

import datetime as dt
import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from django.db import connection, transaction

from audit import log
from audit.actions import Action
from documents import errors
from documents.models import ProbeExtent, VaultProbe
from documents.vault import places, rules, store

DUE_EVERY = dt.timedelta(days=1)
AGAIN_AFTER = dt.timedelta(seconds=60)  # a failed one
KNOWN_FOR_S = 20.0  # how old a process's knowledge of the last probe may be
AWAITED = "vault:probe"  # what an event waits for that came before the first passed probe
OUTAGES = frozenset({"worm_unavailable", "worm_write_denied"})
_TURN = "(hashtextextended('vault:probe', 0))"  # of the session: a probe takes too long for a transaction


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What a process knows of the last probes of an address, since when (monotonic)."""

    since_s: float
    failed: VaultProbe | None
    proven: bool


_known: dict[str, _Known] = {}
_tried: dict[str, float] = {}  # when (monotonic) this process tried to prove an address
_asking = threading.Lock()


def latest(*, extent: ProbeExtent) -> VaultProbe | None:
    """Return the last probe of this VAULT_URL."""
    return VaultProbe.objects.filter(vault_url=places.here(), extent=extent).order_by("-pk").first()


def is_due(*, now: dt.datetime) -> bool:
    """Tell whether the deployment's store is to be probed: once a day, and soon again after a probe that failed."""
    last = latest(extent=ProbeExtent.DAILY)
    return last is None or last.probed_at <= now - (DUE_EVERY if last.passed else AGAIN_AFTER)


def probe(*, actor: log.Actor, now: dt.datetime) -> VaultProbe | None:
    """Attack the store if that is due, and put on record what came of it; None where it is not, or is being done.

    :raises errors.WormError: `worm_unavailable`, `worm_write_denied`: the store does not answer, which proves nothing
    """
    if not _asked(f"SELECT pg_try_advisory_lock{_TURN}"):
        return None
    try:
        return record(extent=ProbeExtent.DAILY, actor=actor) if is_due(now=now) else None
    finally:
        _asked(f"SELECT pg_advisory_unlock{_TURN}")


def _asked(query: str) -> bool:
    """Return the one truth value that a query answers."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        (answer,) = cursor.fetchone()
    return bool(answer)


def record(*, extent: ProbeExtent, actor: log.Actor) -> VaultProbe:
    """Attack the store now, and put on record what came of it.

    :raises errors.WormError: `worm_unavailable`, `worm_write_denied`: the store does not answer, which proves nothing;
        nor does a clock of this machine that is off
    """
    try:
        opened = store.guarded(work=store.probe_again)
    except errors.WormError as error:
        if error.code in OUTAGES or rules.is_our_clock(problem=error):
            raise
        return note(extent=extent, actor=actor, problem=error)
    return note(extent=extent, actor=actor, mode=opened.mode, attempts=opened.attempts)


def note(
    *,
    extent: ProbeExtent,
    actor: log.Actor,
    mode: str = "",
    attempts: Mapping[str, str] | None = None,
    problem: errors.WormError | None = None,
) -> VaultProbe:
    """Put a probe on record; it has passed where there is no `problem`."""
    row = VaultProbe(
        vault_url=places.here(),
        extent=extent,
        passed=problem is None,
        mode=mode,
        code=problem.code if problem else "",
        values=errors.bounded(values=problem.values) if problem else {},
        attempts=dict(attempts or {}),
        probed_by=actor.id,
    )
    with transaction.atomic():
        row.save(force_insert=True)
        log.record(
            action=Action.VAULT_PROBED,
            object_type="probe",
            object_id=row.public_id,
            actor=actor,
            outcome="ok" if row.passed else "failed",
            code=row.code,
        )
    row.refresh_from_db()
    forget()
    return row


def is_proven() -> bool:
    """Tell whether one probe of this VAULT_URL has passed, ever: only then may a number be given."""
    return _look().proven


def prove(*, actor: log.Actor, now: dt.datetime) -> errors.WormError | None:
    """Probe a store of which no probe has passed yet, at most once in AGAIN_AFTER; call outside a transaction.

    :returns: why this one has not; None where it has, and where none was made
    """
    url = places.here()
    if is_proven() or time.monotonic() - _tried.get(url, -math.inf) < AGAIN_AFTER.total_seconds():
        return None
    _tried[url] = time.monotonic()
    try:
        row = probe(actor=actor, now=now)
    except errors.WormError as problem:  # it does not answer
        return problem
    return errors.WormError(code=row.code, values=row.values) if row and not row.passed else None


def require_sound() -> None:
    """Refuse to lock anything in a store that let an attack through when it was last probed.

    :raises errors.WormError: what that probe found
    """
    failed = _look().failed
    if failed is not None:
        raise errors.WormError(code=failed.code, values=failed.values)


def forget() -> None:
    """Forget what this process knows of probes."""
    with _asking:
        _known.clear()


def _look() -> _Known:
    """Return what the last probes of this VAULT_URL found, asked of the database at most once in KNOWN_FOR_S.

    One thread asks; the others go on with what is known meanwhile, so that a database that hangs holds up nobody here.
    """
    url = places.here()
    known = _known.get(url)
    proven = known if known is not None and known.proven else None
    if proven is not None and time.monotonic() - proven.since_s <= KNOWN_FOR_S:
        return proven
    if not _asking.acquire(blocking=proven is None):
        return cast("_Known", proven)
    try:
        lasts = [latest(extent=extent) for extent in ProbeExtent]
        known = _known[url] = _Known(
            since_s=time.monotonic(),
            failed=next((last for last in lasts if last is not None and not last.passed), None),
            proven=VaultProbe.objects.filter(vault_url=url, passed=True).exists(),
        )
    finally:
        _asking.release()
    return known
