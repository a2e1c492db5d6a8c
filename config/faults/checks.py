"""What is looked at after every cell, whatever its row is: calls, alerts, runbooks, processes, and the outside."""

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from http import HTTPStatus
from urllib.parse import urlsplit

from config.faults import cells, ends
from config.faults.fallbacks import Trial
from config.faults.proxy import Mode
from documents.operations import runbooks
from documents.resilience import dependencies

GRACE_S = 1.0  # beyond a row's total
MEASURED = frozenset(
    {"vault", "vault_former", "vault_canary", "mail", "alert_channel", "alert_channel_2"}
)  # here a connection is a call
# Here each request fails, so that there are no more of them than failures that the product has noted.
COUNTED = frozenset({Mode.BLACK_HOLE, Mode.SLOW, Mode.BUSY, Mode.GARBAGE})
DRILL = "operations_drill"  # opened by the campaign, so that there is something to send


def measure(*, trial: Trial) -> None:
    """Note, as the fault ends, how many requests there were and how long the longest call has waited."""
    now = moment()
    for name in MEASURED & set(trial.cell.rows):
        seen = trial.stack.faults.seen(name=name, since=trial.began_at)
        trial.longest_s[name] = max((connection.waited_s(now=now) for connection in seen), default=0.0)
        trial.requests[name] = sum(c.requests for c in seen if c.opened_at >= trial.began_at)
        if trial.cell.way is Mode.UNREACHABLE:
            port = trial.stack.faults.ports[name].number
            waited = trial.stack.knocking.waits_s(port=port, since=trial.began_at)
            trial.longest_s[name] = max(waited, default=0.0)


def calls(*, trial: Trial, logged: Mapping[str, int]) -> Iterator[str]:
    """Check that no call took longer than its row's total and a second, and that there was one a try.

    A call that was under way when the fault ended is noted as failed soon after, so this is asked after the recovery.
    """
    for name, longest_s in trial.longest_s.items():
        row = dependencies.DEPENDENCIES[name]
        if longest_s > row.total_s + GRACE_S:
            yield f"a call to {name} took {longest_s:.1f} s, and may take {row.total_s:.0f} s"
        if trial.cell.way in COUNTED:
            lines = trial.stack.logged(since=logged)
            noted = sum(line.get("message") == "dependency.failed" and line.get("dependency") == name for line in lines)
            if trial.requests[name] > noted:
                yield f"{trial.requests[name]} requests to {name} of {noted} tries that failed"


def incidents(*, trial: Trial) -> Sequence[tuple[str, str, str]]:
    """Return code, severity and beginning of each incident of the fault: as they were told, or as they stand.

    The latter where both channels have failed.
    """
    if "alert_channel_2" in trial.cell.rows:
        query = "SELECT code, severity, opened_at FROM documents_alert WHERE id > %s ORDER BY id"
        rows = trial.stack.rows(query, [trial.last_alert])
        return [(code, severity, str(since)) for code, severity, since in rows if code != DRILL]
    fired = [row for row in trial.stack.alerts.since(moment=trial.fault_at) if row.status == "firing"]
    return [(row.code, row.severity, row.since) for row in fired if row.code != DRILL]


def expected(*, cell: cells.FaultCell) -> dict[str, str]:
    """Return {code: severity} of what a cell is to be told."""
    return {f"dependency_{name}": dependencies.DEPENDENCIES[name].alert_severity for name in cell.rows}


def is_told(*, trial: Trial) -> bool:
    """Say whether every incident that must come has come."""
    codes = {code for code, _severity, _since in incidents(trial=trial)}
    return not trial.cell.alerts_min or set(expected(cell=trial.cell)) <= codes or _is_instead(trial=trial, codes=codes)


def _is_instead(*, trial: Trial, codes: Collection[str]) -> bool:
    """Say whether the promise that was broken has been named in the place of the dependency."""
    return bool(trial.cell.besides) and any(code.startswith(trial.cell.besides) for code in codes)


def alerts(*, trial: Trial) -> Iterator[str]:
    """Check that there was one incident a row, of its severity, told once, and no other."""
    seen, wanted = incidents(trial=trial), expected(cell=trial.cell)
    counts = Counter(code for code, _severity, _since in seen)
    for code, severity in wanted.items():
        if counts[code] > 1:
            yield f"{counts[code]} alerts {code}"
        if not counts[code] and trial.cell.alerts_min and not _is_instead(trial=trial, codes=counts):
            yield f"no alert {code}"
        other = {had for said, had, _since in seen if said == code} - {severity}
        if other:
            yield f"{code} is {', '.join(sorted(other))} and not {severity}"
    besides = trial.cell.besides
    for code, count in counts.items():
        if code not in wanted and not (besides and code.startswith(besides)):
            yield f"{count} alerts {code} besides: {_details(trial=trial, code=code)}"


def _details(*, trial: Trial, code: str) -> str:
    """Return what the newest incident of a code says."""
    query = "SELECT dedup_key, values, opened_at FROM documents_alert WHERE code = %s ORDER BY id DESC LIMIT 1"
    return "; ".join(str(part) for row in trial.stack.rows(query, [code]) for part in row)


def links(*, trial: Trial) -> Iterator[str]:
    """Check that the runbook of every alert opens, at a heading of that alert."""
    came: Sequence[ends.Notification] = trial.stack.alerts.since(moment=trial.fault_at)
    for url in sorted({row.runbook_url for row in came}):
        parts = urlsplit(url)
        page = parts.path.rstrip("/").rpartition("/")[2]
        if parts.fragment not in runbooks.anchors(page=page):
            yield f"{url}: no such heading"
        answer = trial.stack.page(path=parts.path)
        if answer.status != HTTPStatus.OK or f'id="{parts.fragment}"'.encode() not in answer.body:
            yield f"{url} does not open: {answer.status}"


def resolutions(*, trial: Trial) -> Iterator[str]:
    """Check that of every incident that was told its end was told, too, and of no other."""
    came = trial.stack.alerts.since(moment=trial.fault_at)
    firing = {row.group for row in came if row.status == "firing"}
    resolved = {row.group for row in came if row.status == "resolved"}
    yield from (f"{group}: its end was not told" for group in sorted(firing - resolved))
    yield from (f"{group}: an end without a beginning" for group in sorted(resolved - firing))


def waits(*, trial: Trial) -> Iterator[str]:
    """Check that no sender waited longer for intake than the row lets a call take, and a second.

    Asked after the recovery: what hung is answered only then.
    """
    limit_s = max(dependencies.DEPENDENCIES[name].total_s for name in ("redis", "postgresql")) + GRACE_S
    for event, answer in trial.answers:
        if answer.seconds > limit_s:
            yield f"{event['id']} was answered {answer.status} after {answer.seconds:.1f} s"


def processes(*, trial: Trial, before: Mapping[str, int]) -> Iterator[str]:
    """Check that what serves is what served: nothing was started anew."""
    now = trial.stack.pids()
    yield from (f"{name} was started anew" for name, pid in before.items() if now.get(name) != pid)
    yield from trial.stack.group.locks_out_of_order()


def is_well(*, trial: Trial, baseline: frozenset[str]) -> Iterator[str]:
    """Say what has not recovered yet; asked again and again after the fault's end.

    `baseline` is what was not well before.
    """
    for query, what in _OPEN:
        yield from (text for (name,) in trial.stack.rows(query) if (text := what.format(name=name)) not in baseline)
    missing = trial.keys - set(trial.stack.documents(keys=trial.keys))
    if missing:
        yield f"{len(missing)} documents are not there"


def readiness(*, trial: Trial) -> Iterator[str]:
    """Say whether the service itself says that it is well."""
    answer = trial.stack.ask("GET", "/readyz")
    if answer.status != HTTPStatus.OK or b'"status": "ok"' not in answer.body:
        yield f"/readyz is {answer.status}: {answer.body[:200].decode(errors='replace')}"


def last_alert(*, trial: Trial) -> int:
    """Return the id of the newest incident."""
    return int(trial.stack.rows("SELECT coalesce(max(id), 0) FROM documents_alert")[0][0])


def moment() -> float:
    """Return now, as everything here is measured."""
    return time.monotonic()


_OPEN = (
    ("SELECT number FROM documents_document WHERE status <> 'LOCKED'", "{name} is not locked"),
    ("SELECT event_id FROM documents_event WHERE status IN ('parked', 'held')", "event {name} waits"),
    ("SELECT public_id FROM documents_delivery WHERE status = 'QUEUED' AND channel = 'EMAIL'", "mail {name} waits"),
    ("SELECT public_id FROM documents_notice WHERE status = 'QUEUED'", "notice {name} waits"),
    ("SELECT dedup_key FROM documents_alert WHERE resolved_at IS NULL", "{name} is not resolved"),
    ("SELECT dedup_key FROM documents_alert WHERE next_try_at IS NOT NULL", "{name} is not sent"),
)
