"""The watch over the series: no number is missing, none is given twice, and a range that runs out is known before.

A look counts all numbers, also those of documents that somebody has deleted since, for as long as that takes next to
nothing. Where there are so many that it takes a part of the time worth naming, the looks between count only the numbers
that have been given since the last one.
"""

import contextlib
import datetime as dt
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.utils import timezone

from audit import log
from audit.actions import Action
from audit.models import Event as LogEvent
from documents import errors
from documents.alerts import incidents
from documents.emission import numbering
from documents.events import waiting
from documents.models import Alert, Event, Kind, Series

Values = Mapping[str, errors.Value]
AFRESH_EVERY_S, AFRESH_SHARE = 30.0, 0.01  # all numbers are counted at most so often, and for so much of the time
GAP, DUPLICATE, RANGE_LOW = "number_gap", "number_duplicate", "series_range_low"
RANGE_LOW_SHARE = 0.9  # given of an authorised range
# One statement, so one snapshot: a number and its document are committed together.
_SERIES = """
SELECT series.id, series.code, series.first, series.next,
       coalesce((SELECT max(document.sequence) FROM documents_document AS document
                  WHERE document.series_id = series.id), 0),
       CASE WHEN series.year >= extract(year FROM current_date)
             AND coalesce(series.valid_until, current_date) >= current_date
             AND NOT EXISTS (SELECT FROM documents_series AS later
                              WHERE (later.issuer_id, later.kind, later.year)
                                    = (series.issuer_id, series.kind, series.year) AND later.part > series.part
                                AND coalesce(later.valid_from, current_date) <= current_date) THEN series.last END
  FROM documents_series AS series ORDER BY series.id
"""
_COUNT = "SELECT count(*) FROM documents_document WHERE series_id = %s AND sequence BETWEEN %s AND %s"
_GIVEN_TO_NOTHING = """
SELECT place FROM generate_series(%s::bigint, %s::bigint) AS place
 WHERE NOT EXISTS (SELECT FROM documents_document WHERE series_id = %s AND sequence = place)
   AND NOT EXISTS (SELECT FROM unnest(%s::bigint[], %s::bigint[]) AS skipped (first, last)
                    WHERE place BETWEEN skipped.first AND skipped.last)
 ORDER BY place LIMIT %s
"""
_GIVEN_TWICE = """
SELECT sequence FROM documents_document WHERE series_id = %s AND sequence BETWEEN %s AND %s
 GROUP BY sequence HAVING count(*) > 1 ORDER BY sequence LIMIT %s
"""
_counted: dict[int, int] = {}  # series -> the first number that this process has not counted yet
_last: dict[str, float] = {}  # when this process looked and counted afresh (monotonic), and how many seconds that took


@dataclass(frozen=True, kw_only=True)
class _Series:
    """A series as it is now.

    `highest` is the highest number that a document has, `last` the end of the range that numbers are still taken from.
    """

    id: int
    code: str
    first: int
    next: int
    highest: int
    last: int | None


def look(*, every_s: float = 0.0) -> list[str]:
    """Compare each series with its documents; return the dedup keys of the alerts that are open after that.

    It does nothing when called again before `every_s` have passed in this process.
    """
    if time.monotonic() - _last.get("look", -every_s) < every_s:
        return []
    began = _last["look"] = time.monotonic()
    pause_s = max(AFRESH_EVERY_S, _last.get("took", 0.0) / AFRESH_SHARE)
    afresh = began - _last.setdefault("afresh", began) >= pause_s
    if afresh:
        _last["afresh"] = began
        _counted.clear()
    wrong: dict[str, Values] = {}
    with contextlib.suppress(DatabaseError, InterfaceError, log.AuditUnavailable):
        with connection.cursor() as cursor:
            cursor.execute(_SERIES)
            rows = cursor.fetchall()
        for row in rows:
            series = _Series(**dict(zip(("id", "code", "first", "next", "highest", "last"), row, strict=True)))
            faults = _faults(series=series)
            wrong |= {f"{code}:{series.code}": values for code, values in (faults | _low(series=series)).items()}
            if not faults:
                _counted[series.id] = series.next
        if afresh:
            _last["took"] = time.monotonic() - began
        _tell(wrong=wrong)
        _retry_held(now=timezone.now())
    return sorted(wrong)


def _faults(*, series: _Series) -> dict[str, Values]:
    """Return what is wrong with a series since the last look that was content: code of an alert -> its values."""
    faults: dict[str, Values] = {}
    start, end = _counted.get(series.id, series.first), series.next - 1
    if start > series.next:  # this process has counted in another database, such as the one before a restore
        start = series.first
    spans = _skipped(series=series)
    skipped = sum(_free(series=series, start=max(first, start), end=min(last, end)) for first, last in spans)
    given = _documents(series=series, start=start, end=end) - (end - start + 1 - skipped)
    span: dict[str, errors.Value] = {"series": series.code, "count": abs(given), "first": start, "last": end}
    if given < 0:
        firsts, lasts = [first for first, _ in spans], [last for _, last in spans]
        asked: list[int | list[int]] = [start, end, series.id, firsts, lasts]
        faults[GAP] = {**span, "numbers": _named(series=series, statement=_GIVEN_TO_NOTHING, asked=asked)}
    if given > 0:
        twice = _named(series=series, statement=_GIVEN_TWICE, asked=[series.id, start, end])
        faults[DUPLICATE] = {"cause": "surplus", **span, "numbers": twice}
    if series.highest > end:
        place = {"next": series.next, "highest": series.highest}
        faults[DUPLICATE] = {"cause": "behind", "series": series.code, **place}
    return faults


def _free(*, series: _Series, start: int, end: int) -> int:
    """Count the numbers of a skipped span that no document has; a series that was set back skips given ones, too."""
    return max(0, end - start + 1) - _documents(series=series, start=start, end=end)


def _low(*, series: _Series) -> dict[str, Values]:
    """Return the alert of a series whose authorised range runs out."""
    if series.last is None or series.next - series.first < RANGE_LOW_SHARE * (series.last - series.first + 1):
        return {}
    left = series.last - series.next + 1
    return {RANGE_LOW: {"series": series.code, "left": left}}


def _documents(*, series: _Series, start: int, end: int) -> int:
    """Count a series' documents of a span of numbers, in the index alone."""
    if start > end:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [series.id, start, end])
        (count,) = cursor.fetchone()
    return int(count)


def _named(*, series: _Series, statement: str, asked: Sequence[int | list[int]]) -> list[str]:
    """Return the first numbers that a statement finds in a series, as they are written."""
    with connection.cursor() as cursor:
        cursor.execute(statement, [*asked, errors.VALUES_MAX])
        return [numbering.written(code=series.code, sequence=place) for (place,) in cursor.fetchall()]


def _skipped(*, series: _Series) -> list[tuple[int, int]]:
    """Return the spans that a person has had the series skip, by the sealed codes of the log.

    They may go beyond its end: the series may have been moved since it was read.
    """
    moves = LogEvent.objects.filter(object_id=series.code, action=Action.SERIES_MOVED).values_list("code", flat=True)
    return [(int(first), int(last)) for first, _, last in (move.partition("-") for move in moves)]


def _retry_held(*, now: dt.datetime) -> None:
    """Let events that found no number be tried again once their series gives numbers, or another year has begun."""
    held = Event.objects.filter(waiting.RETRIABLE, code__in=waiting.SERIES_CODES)
    wanted: dict[str, list[int]] = {}
    for pk, faults in held.values_list("pk", "errors"):
        for missed in (fault["values"] for fault in faults if fault["code"] in waiting.SERIES_CODES):
            wanted.setdefault(f"{missed['issuer']}-{missed['kind']}-{now.year}", []).append(pk)
    used_up = _used_up(now=now)
    ready = [pk for code, keys in wanted.items() if code not in used_up for pk in keys]
    if ready:
        with transaction.atomic():
            waiting.retry(held=Event.objects.filter(pk__in=ready), now=now)


def _used_up(*, now: dt.datetime) -> set[str]:
    """Return the series of this year that give no number today, by their first parts: the last part begun is asked."""
    today, last_begun = now.date(), dict[str, Series | None]()
    for row in Series.objects.filter(year=now.year).select_related("issuer").defer("issuer__logo").order_by("part"):
        code = numbering.series_code(issuer=row.issuer, kind=Kind(row.kind), year=row.year)
        begun = (row.valid_from or today) <= today
        last_begun[code] = row if begun else last_begun.get(code)
    return {code for code, row in last_begun.items() if row is None or not _gives(row=row, today=today)}


def _gives(*, row: Series, today: dt.date) -> bool:
    """Return whether a series that has begun gives a number."""
    return (row.last is None or row.next <= row.last) and (row.valid_until or today) >= today


def _tell(*, wrong: dict[str, Values]) -> None:
    """Open an alert for what is wrong, once, and resolve those that are over."""
    is_open = set(
        Alert.objects.filter(code__in=(GAP, DUPLICATE, RANGE_LOW), resolved_at=None).values_list("dedup_key", flat=True)
    )
    for key in wrong.keys() - is_open:
        code, _, series = key.partition(":")
        incidents.open_alert(code=code, dedup_key=key, values=wrong[key], object_id=series)
    for key in is_open - wrong.keys():
        incidents.resolve_alert(dedup_key=key)
