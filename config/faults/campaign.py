"""The campaign: cell after cell on one stack, each with its traffic, its fault, its fallback, and its recovery."""

import contextlib
import dataclasses
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

from django.conf import settings
from django.db import connections, transaction

from audit import log
from config import env
from config.faults import cells, checks, failing, fallbacks, levers, stack
from config.simulation import crash_campaign, event_parts, event_stream
from documents.alerts import incidents

EVENTS_BEFORE = 2
AGAIN = 1000  # more than there are cells
LOOK_EVERY_S = 0.5
ALERT_MAX_S, FALLBACK_MAX_S, RECOVERY_MAX_S = 60.0, 45.0, 120.0
SETTLED_S = 1.0  # what was under way when the fault began has come to its end
READY_MAX_S = 15.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class CampaignPace:
    """How many events a cell sends, and how often; `hold_max_s` ends a fault sooner than its cell asks.

    A cell whose fallback was taken out waits `missing_s` for it, and ends at the first finding.
    """

    events: int = 14
    send_every_s: float = 1.2
    hold_max_s: float = 600.0
    missing_s: float = 12.0


WHOLE = CampaignPace()
QUICK = CampaignPace(events=8, send_every_s=0.3, hold_max_s=1.0, missing_s=6.0)  # for a sample


@dataclasses.dataclass(frozen=True, kw_only=True)
class CellResult:
    """What came of a cell. Seconds from the fault's beginning to the alert, and from its end to all being well."""

    name: str
    alert_s: float
    recovery_s: float
    findings: Sequence[str]
    planted: str = ""  # the row whose fallback was taken out


class Traffic:
    """Senders: each event again and again until it is accepted, one at a time."""

    def __init__(self, *, trial: fallbacks.Trial, stream: event_stream.Stream, every_s: float) -> None:
        self.left = list(stream.events)
        self._trial, self._every_s = trial, every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._send, name="traffic", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join(timeout=40)

    def send(self, *, event: event_parts.EventBody) -> None:
        """Post one event; it is left where it was not accepted."""
        answer = self._trial.stack.post(event=event)
        if self._trial.began_at:
            self._trial.answers.append((event, answer))
        if str(event["id"]) in self._trial.stack.events:
            self.left = [other for other in self.left if other is not event]
        else:
            self.left = [*(other for other in self.left if other is not event), event]

    def _send(self) -> None:
        while not self._ended.is_set():
            if self._trial.began_at and self.left:
                self.send(event=self.left[0])
            if self._trial.began_at and "vault_former" in self._trial.cell.rows:
                self._trial.stack.read_former()  # nothing else asks that store
            self._ended.wait(self._every_s)


def run_cell(
    *, stack: stack.FaultStack, cell: cells.FaultCell, seed: int, pace: CampaignPace = WHOLE, planted: str = ""
) -> CellResult:
    """Run one cell and return what is wrong with it; with a defect `planted` it ends at the first finding."""
    stream, hasty = _stream(cell=cell, seed=seed, count=pace.events, again=bool(planted)), bool(planted)
    stack.keys |= stream.keys
    trial = fallbacks.Trial(cell=cell, stack=stack, keys=stream.keys)
    baseline = frozenset(checks.is_well(trial=dataclasses.replace(trial, keys=frozenset()), baseline=frozenset()))
    trial.last_alert = checks.last_alert(trial=trial)
    before, logged = stack.pids(), stack.log_sizes()
    with _canary_asked(trial=trial), Traffic(trial=trial, stream=stream, every_s=pace.send_every_s) as traffic:
        for event in stream.events[:EVENTS_BEFORE]:
            traffic.send(event=event)
        trial.fault_at = checks.moment()
        with failing.failing(cell=cell, stack=stack), _something_to_tell(cell=cell):
            time.sleep(SETTLED_S)
            rows = stack.documents(keys=stream.keys)
            trial.locked_before = frozenset(key for key, row in rows.items() if row[1] == "LOCKED")
            trial.began_at = checks.moment()
            alert_s, findings = _meanwhile(trial=trial, pace=pace, hasty=hasty)
            checks.measure(trial=trial)
            ended_at = checks.moment()
        if not (hasty and findings):
            findings += _recover(trial=trial, traffic=traffic, baseline=baseline)
    recovery_s = checks.moment() - ended_at
    if not (hasty and findings):
        findings += [*checks.calls(trial=trial, logged=logged), *checks.waits(trial=trial)]
        findings += [*checks.alerts(trial=trial), *checks.links(trial=trial), *checks.resolutions(trial=trial)]
        findings += [*checks.processes(trial=trial, before=before), *_outside(stack=stack)]
    return CellResult(
        name=cell.name,
        alert_s=round(alert_s, 1),
        recovery_s=round(recovery_s, 1),
        findings=list(dict.fromkeys(findings)),
        planted=planted,
    )


def _stream(*, cell: cells.FaultCell, seed: int, count: int, again: bool) -> event_stream.Stream:
    """Draw a cell's events, and others where it may run on a stack that has had them."""
    number = next(place for place, known in enumerate(cells.CELLS) if known == cell)
    return stack.stream_of(seed=seed, number=number + AGAIN * again, count=count)


def _meanwhile(*, trial: fallbacks.Trial, pace: CampaignPace, hasty: bool) -> tuple[float, list[str]]:
    """Wait, while the fault lasts, for the alert and for the fallback; return when it came, and what did not."""
    alert_s, findings = 0.0, list[str]()
    if trial.cell.alerts_min:
        if not _within(seconds=ALERT_MAX_S, holds=lambda: checks.is_told(trial=trial)):
            findings.append(f"no alert within {ALERT_MAX_S:.0f} s")
        alert_s = checks.moment() - trial.began_at
    left = max(0.0, min(trial.cell.hold_s, pace.hold_max_s) - (checks.moment() - trial.began_at))
    time.sleep(left)
    if trial.cell.alerts_min:  # what flaps needs no fallback at any one moment
        missing = list[str]()

        def happens() -> bool:
            missing[:] = [text for row in trial.cell.rows for text in fallbacks.FALLBACKS[row](trial)]
            return not missing

        if not _within(seconds=pace.missing_s if hasty else FALLBACK_MAX_S, holds=happens):
            findings += missing
    return alert_s, findings


def _recover(*, trial: fallbacks.Trial, traffic: Traffic, baseline: frozenset[str]) -> list[str]:
    """Wait, after the fault, until all is as it was; return what is not."""
    missing = list[str]()

    def is_well() -> bool:
        waits = [f"{len(traffic.left)} events are not accepted"] if traffic.left else []
        missing[:] = [*waits, *checks.is_well(trial=trial, baseline=baseline)]
        return not missing

    if not _within(seconds=RECOVERY_MAX_S, holds=is_well):
        return [f"after {RECOVERY_MAX_S:.0f} s: {text}" for text in missing[:8]]

    def is_ready() -> bool:
        missing[:] = checks.readiness(trial=trial)
        return not missing

    return [] if baseline or _within(seconds=READY_MAX_S, holds=is_ready) else missing


def _within(*, seconds: float, holds: Callable[[], bool]) -> bool:
    """Return whether something comes to hold within some seconds."""
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(LOOK_EVERY_S)
    return True


@contextlib.contextmanager
def _something_to_tell(*, cell: cells.FaultCell) -> Iterator[None]:
    """Have drills' alerts to send while the channel fails, which is noticed by nothing else."""
    if "alert_channel" not in cell.rows:
        yield
        return
    incidents.logger.disabled = True  # the operator of the campaign has nothing to do
    failures = cell.limits.breaker_failures  # one alert is tried again after a minute
    keys = [f"{checks.DRILL}:{uuid.uuid4().hex[:12]}" for _ in range(failures)]
    for key in keys:
        with transaction.atomic():
            incidents.open_alert(code=checks.DRILL, dedup_key=key, values={"run": cell.name})
    try:
        yield
    finally:
        for key in keys:
            incidents.resolve_alert(dedup_key=key, actor=log.SYSTEM, reason="drill")
        incidents.logger.disabled = False
        connections.close_all()


@contextlib.contextmanager
def _canary_asked(*, trial: fallbacks.Trial) -> Iterator[None]:
    """Have the canary bucket probed again and again where it fails, and after: nothing else asks it but once a day."""
    if "vault_canary" not in trial.cell.rows:
        yield
        return
    levers.pull(folder=trial.stack.folder, now=levers.LeverOrders(canary=True))
    try:
        yield
    finally:
        levers.pull(folder=trial.stack.folder, now=levers.LeverOrders())


def _outside(*, stack: stack.FaultStack) -> list[str]:
    """Ask the outside checker about all that there is by now; what it said before is not said again."""
    _figures, findings = crash_campaign.ask_outside(
        database_url=env.text(name="DATABASE_URL"),
        vault=settings.VAULT_URL,
        mail=stack.folder / "mail",
        keys=frozenset(stack.keys),
        events=stack.events,
    )
    fresh = [text for text in findings if text not in stack.blamed]
    stack.blamed |= set(findings)
    return fresh


def as_line(*, result: CellResult) -> str:
    """Return a result as one line of JSON."""
    return json.dumps(dataclasses.asdict(result), ensure_ascii=False)


def from_line(line: str) -> CellResult:
    """Read what `as_line` wrote."""
    read: dict[str, Any] = json.loads(line)
    return CellResult(**read)
