"""What must happen meanwhile, row by row, seen while the fault lasts.

TABLE: FALLBACKS, from the row to its look. A look is asked again and again until it finds nothing missing, or its time
is over; what must never happen it says at once (`Never`).
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType

from config.faults import cells
from config.faults.door import DoorAnswer
from config.faults.stack import FaultStack, Row
from config.simulation import event_parts

OPEN = "ISSUED"


@dataclass(kw_only=True)
class Trial:
    """One cell under way: its events with all answers to each, those before the fault without."""

    cell: cells.FaultCell
    stack: FaultStack
    keys: frozenset[str]
    fault_at: float = 0.0  # monotonic, as all times here
    began_at: float = 0.0  # what was under way at `fault_at` has come to its end
    locked_before: frozenset[str] = frozenset()
    last_alert: int = 0
    answers: list[tuple[event_parts.EventBody, DoorAnswer]] = field(default_factory=list)

    longest_s: dict[str, float] = field(default_factory=dict)  # of the calls to each measured dependency
    requests: dict[str, int] = field(default_factory=dict)

    def during(self) -> dict[str, Row]:
        """Return the documents that were not locked when the fault began."""
        rows = self.stack.documents(keys=self.keys)
        return {key: row for key, row in rows.items() if key not in self.locked_before}

    def locked(self) -> list[str]:
        """Return the public ids of what was locked during the fault."""
        return [row[0] for row in self.during().values() if row[1] == "LOCKED"]

    def open(self) -> list[str]:
        """Return the public ids of what waits."""
        return [row[0] for row in self.during().values() if row[1] == OPEN]


Look = Callable[[Trial], Iterator[str]]


def _accepted(trial: Trial) -> Iterator[str]:
    """Intake goes on: every event is answered 2xx."""
    refused = [answer.status for _, answer in trial.answers if not answer.is_good]
    if not trial.answers:
        yield "no event was sent yet"
    if refused:
        yield f"intake answered {refused}"


def _waits(trial: Trial) -> Iterator[str]:
    """Documents are numbered, wait as ISSUED, and are not served."""
    if not trial.open():
        yield "no document waits as ISSUED"
    for public_id in trial.open()[:2]:
        answer = trial.stack.read(path=f"/api/v1/documents/{public_id}/content/")
        if answer.status == HTTPStatus.OK:
            yield f"{public_id} was served though it is not locked"


def _locks(trial: Trial) -> Iterator[str]:
    """Documents go on being locked."""
    if not trial.locked():
        yield "no document has been locked meanwhile"


def _none_locked(trial: Trial) -> Iterator[str]:
    if trial.locked():
        yield f"{len(trial.locked())} documents were locked meanwhile"


def _vault(trial: Trial) -> Iterator[str]:
    yield from _accepted(trial)
    yield from _waits(trial)


def _vault_former(trial: Trial) -> Iterator[str]:
    yield from _accepted(trial)
    yield from _locks(trial)
    answer = trial.stack.read_former()
    if answer.status != HTTPStatus.SERVICE_UNAVAILABLE:
        yield f"a document of the former store was answered {answer.status}"


def _vault_canary(trial: Trial) -> Iterator[str]:
    """Nothing waits for the full probe, and none counts as made."""
    yield from _accepted(trial)
    yield from _locks(trial)
    if trial.stack.rows(_PROBED, [time.monotonic() - trial.began_at]):
        yield "a full probe has passed meanwhile"


def _mail(trial: Trial) -> Iterator[str]:
    yield from _accepted(trial)
    if "vault" in trial.cell.rows:
        return  # nothing is locked meanwhile, and so nothing is to be mailed
    yield from _locks(trial)
    for public_id in trial.locked()[:1]:
        answer = trial.stack.read(path=f"/api/v1/documents/{public_id}/content/")
        if answer.status != HTTPStatus.OK:
            yield f"{public_id} is locked and was answered {answer.status}"
    query = "SELECT count(*) FROM documents_delivery WHERE status = 'QUEUED' AND channel = 'EMAIL'"
    if not trial.stack.rows(query)[0][0]:
        yield "no mail waits"


def _redis(trial: Trial) -> Iterator[str]:
    yield from _accepted(trial)
    yield from _locks(trial)


def _postgresql(trial: Trial) -> Iterator[str]:
    """No event gets a 2xx that is not saved; the door says when to come again."""
    if not any(answer.status == HTTPStatus.SERVICE_UNAVAILABLE for _, answer in trial.answers):
        yield "no sender was answered 503"
    for event, answer in trial.answers:
        if answer.status == HTTPStatus.SERVICE_UNAVAILABLE and not answer.retry_after:
            yield f"{event['id']} was answered 503 without Retry-After"
        if answer.is_good and not trial.stack.rows(_STORED, [event["id"]]):
            yield f"{event['id']} was answered {answer.status} and is not saved"
        if not answer.is_good and answer.status != HTTPStatus.SERVICE_UNAVAILABLE:
            yield f"{event['id']} was answered {answer.status}"


def _renderer(trial: Trial) -> Iterator[str]:
    yield from _accepted(trial)
    yield from _waits(trial)
    yield from _none_locked(trial)
    for public_id in trial.open()[:1]:
        answer = trial.stack.read(path=f"/api/v1/documents/{public_id}/data/")
        if answer.status != HTTPStatus.OK:
            yield f"the data of {public_id} was answered {answer.status}"


def _clock(trial: Trial) -> Iterator[str]:
    yield from _accepted(trial)
    if trial.cell.way is cells.Way.JUMP:
        yield from _locks(trial)
    elif trial.cell.way is not cells.Way.DRIFT:
        yield from _waits(trial)
        yield from _none_locked(trial)


def _alert_channel(trial: Trial) -> Iterator[str]:
    """Emission goes on, and the second channel takes what the first one does not."""
    yield from _accepted(trial)
    if "vault" not in trial.cell.rows:
        yield from _locks(trial)
    came = [row.status for row in trial.stack.alerts.since(moment=trial.fault_at)]
    if "alert_channel_2" not in trial.cell.rows and "firing" not in came:
        yield "nobody was told"


def _alert_channel_2(trial: Trial) -> Iterator[str]:
    """Where both fail, alerts stand where people look."""
    yield from _accepted(trial)
    yield from _locks(trial)
    if not trial.stack.rows("SELECT 1 FROM documents_alert WHERE resolved_at IS NULL AND sent_at IS NULL"):
        yield "no alert waits in the Document Center"


_STORED = "SELECT 1 FROM documents_event WHERE event_id = %s"
_PROBED = """
SELECT 1 FROM documents_vaultprobe
WHERE extent = 'full' AND passed AND probed_at > clock_timestamp() - make_interval(secs => %s)
"""
FALLBACKS: Mapping[str, Look] = MappingProxyType(
    {
        "vault": _vault,
        "vault_former": _vault_former,
        "vault_canary": _vault_canary,
        "mail": _mail,
        "redis": _redis,
        "postgresql": _postgresql,
        "renderer": _renderer,
        "clock": _clock,
        "alert_channel": _alert_channel,
        "alert_channel_2": _alert_channel_2,
    }
)
