"""What a drill is, and how several are run: each by itself, so that one that fails keeps none from being done."""

import dataclasses
import datetime as dt
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from http.client import HTTPException

from django.db import DatabaseError

from audit import log
from documents import errors
from documents.operations import checks
from documents.resilience import calls

Evidence = Mapping[str, str]  # what was seen, by name: ids, times, counts
FAILURES = (
    *(errors.Problem, calls.DependencyDown, checks.Degrades, DatabaseError, log.AuditUnavailable, HTTPException),
    *(OSError, ValueError, LookupError, TypeError, AttributeError),
)


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
    """Make each drill and yield what came of it; what a dependency does not answer is a drill that fails."""
    for drill in drills:
        began, evidence, cause = time.monotonic(), dict[str, str](), ""
        try:
            evidence = dict(drill.make(context))
        except DrillFailed as failed:
            cause = str(failed)
        except FAILURES as error:
            cause = f"{type(error).__name__}: {error}"
        yield DrillResult(drill=drill, seconds=time.monotonic() - began, evidence=evidence, cause=cause)
