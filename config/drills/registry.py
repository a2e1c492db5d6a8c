"""What a drill is, and how several are run: each by itself, so that one that fails keeps none from being done."""

import dataclasses
import datetime as dt
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from structlog import contextvars

Evidence = Mapping[str, str]  # what was seen, by name: ids, times, counts


class DrillFailed(Exception):
    """Something is not as it is promised; the text says what was seen instead."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DrillContext:
    """Where drills are made: the service's address, the secrets of its senders, and the run they belong to."""

    base_url: str
    secrets: Mapping[str, str]
    run_id: str
    now: dt.datetime


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drill:
    """One row: its name, what it shows, and what makes it."""

    name: str
    shows: str
    make: Callable[[DrillContext], Evidence]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DrillResult:
    """What came of a drill: `cause` is empty where it holds."""

    drill: Drill
    seconds: float
    evidence: Evidence
    cause: str = ""


def run(*, drills: Iterable[Drill], context: DrillContext) -> Iterator[DrillResult]:
    """Make each drill and yield what came of it; whatever goes wrong in one is a drill that fails, and no end."""
    for drill in drills:
        began, evidence = time.monotonic(), dict[str, str]()
        contextvars.clear_contextvars()  # the log: no line of this one is about a document of the last one

        def make(drill: Drill = drill, evidence: dict[str, str] = evidence) -> None:
            evidence.update(drill.make(context))

        cause = cause_of(work=make)
        yield DrillResult(drill=drill, seconds=time.monotonic() - began, evidence=evidence, cause=cause)


def cause_of(*, work: Callable[[], None]) -> str:
    """Do some work and return what went wrong, empty where nothing did; a signal ends the process as ever."""
    try:
        _named(work=work)
    except DrillFailed as failed:
        return str(failed) or type(failed).__name__
    return ""


def _named(*, work: Callable[[], None]) -> None:
    """Do some work; name whatever it raises.

    :raises DrillFailed: with the error's name and text
    """
    try:
        work()
    except DrillFailed:
        raise
    except Exception as error:
        raise DrillFailed(f"{type(error).__name__}: {error}".strip().rstrip(":")) from error
