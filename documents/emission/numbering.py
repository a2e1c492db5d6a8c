"""Legal numbers: a series is a row, a number is taken last in the issuing transaction and never given back."""

import datetime as dt
import zoneinfo
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from audit import log
from audit.actions import Action
from documents import catalog, errors, locks
from documents.countries import pack
from documents.models import Issuer, Kind, Series
from documents.vault import comparisons, probes

DIGITS = 7
NUMBER_MAX, REFERENCE_LENGTH_MAX = 10**15 - 1, 100  # of a series

# The last part that has begun gives the numbers; used up or over, it gives none, and no earlier one does any more.
_TAKE = """
UPDATE documents_series SET next = next + 1
 WHERE id = (SELECT series.id FROM documents_series AS series
              WHERE series.issuer_id = %s AND series.kind = %s AND series.year = %s
                AND (series.valid_from IS NULL OR series.valid_from <= %s)
              ORDER BY series.part DESC LIMIT 1)
   AND (last IS NULL OR next <= last) AND (valid_until IS NULL OR valid_until >= %s)
RETURNING id, next - 1, code
"""
_OPEN = """
INSERT INTO documents_series
       (issuer_id, kind, year, part, code, first, last, next, valid_from, valid_until, authority_reference)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, kw_only=True)
class LegalNumber:
    """A place in a series and how it is written: `AES-OFS-2026-0000123`."""

    series_id: int
    sequence: int
    number: str


def open_series(
    *,
    issuer: Issuer,
    kind: Kind,
    year: int,
    actor: log.Actor,
    first: int = 1,
    last: int | None = None,
    valid_from: dt.date | None = None,
    valid_until: dt.date | None = None,
    authority_reference: str = "",
    part: int = 1,
    reason: str = "",
) -> bool:
    """Make the series of an issuer, kind and year exist; an existing one stays as it is, and the answer is False."""
    code = series_code(issuer=issuer, kind=kind, year=year, part=part)
    locks.declare(rank=locks.Rank.SERIES, keys=[(issuer.pk, place(kind=kind), year)])
    with connection.cursor() as cursor:
        dates = (valid_from, valid_until)
        cursor.execute(_OPEN, [issuer.pk, kind, year, part, code, first, last, first, *dates, authority_reference])
        is_new = bool(cursor.rowcount)
        if is_new:
            log.record(
                action=Action.SERIES_ADDED,
                object_type="series",
                object_id=code,
                actor=actor,
                details={"issuer": issuer.slug, "first": first, "last": last, **({"reason": reason} if reason else {})},
            )
    return is_new


def series_code(*, issuer: Issuer, kind: Kind, year: int, part: int = 1) -> str:
    """Return how the numbers of a series begin: `AES-OFS-2026`, and `AES-OFS2-2026` for the second part of a year."""
    return f"{issuer.code}-{catalog.TABLE[kind].code}{part if part > 1 else ''}-{year}"


def year_of(*, issuer: Issuer, first_day: dt.date | None, now: dt.datetime) -> int:
    """Return the year of a series that begins on a day, or now: where the issuer is, a year begins at its own hour.

    :raises errors.Problem: `country_unsupported`
    """
    return (first_day or _today(issuer=issuer, now=now)).year


def _today(*, issuer: Issuer, now: dt.datetime) -> dt.date:
    """Return the day where an issuer is.

    :raises errors.Problem: `country_unsupported`
    """
    return now.astimezone(zoneinfo.ZoneInfo(pack.required(issuer.country_id).time_zone)).date()


def open_another(
    *, issuer: Issuer, kind: Kind, year: int, actor: log.Actor, reason: str, now: dt.datetime, **facts: Any
) -> str:
    """Open the next part of a year's series and return its code: from its first day on it gives the numbers.

    :param facts: `first`, `last`, `valid_from`, `valid_until`, `authority_reference` of `open_series`
    :raises errors.Problem: `validation_error`: there is no series yet, somebody else has just opened this part, or it
        could never give a number while it keeps the one before it from giving any
    """
    mine = Series.objects.filter(issuer=issuer, kind=kind, year=year)
    latest = mine.order_by("-part").values_list("part", flat=True).first()
    code = series_code(issuer=issuer, kind=kind, year=year, part=(latest or 0) + 1)
    if latest is None:
        raise errors.Problem(code="validation_error", values={"cause": "no_series", "series": code})
    begins, ends = facts.get("valid_from"), facts.get("valid_until")
    if (begins and begins.year != year) or (ends and ends.year < year):
        raise errors.Problem(code="validation_error", values={"cause": "other_year", "series": code})
    if ends and ends < _today(issuer=issuer, now=now):
        raise errors.Problem(code="validation_error", values={"cause": "over", "series": code, "last": f"{ends}"})
    with transaction.atomic():
        if not open_series(issuer=issuer, kind=kind, year=year, actor=actor, part=latest + 1, reason=reason, **facts):
            raise errors.Problem(code="validation_error", values={"cause": "series_exists", "series": code})
    return code


def require_as_stated(*, issuer: Issuer, kind: Kind, year: int, **facts: Any) -> None:
    """Refuse facts that a series which is there already does not have: they would be ignored.

    :raises errors.Problem: `validation_error`
    """
    row = Series.objects.filter(issuer=issuer, kind=kind, year=year, part=1).first()
    if row is not None and any(getattr(row, name) != value for name, value in facts.items()):
        raise errors.Problem(code="validation_error", values={"cause": "series_exists", "series": row.code})


def move(*, code: str, next_sequence: int, reason: str, actor: log.Actor) -> int:
    """Move a series forward, past numbers that were given elsewhere, and return how many are skipped.

    The skipped span stands in the sealed code of the event, as `first-last`: `operations.numbers` does not miss them.

    :raises errors.Problem: `validation_error`: no such series, not forward, or past its authorised range
    """
    with transaction.atomic():
        chosen = locks.rows(queryset=Series.objects.filter(code=code), rank=locks.Rank.SERIES, key=_key)
        if not chosen:
            raise errors.Problem(code="validation_error", values={"cause": "no_series", "series": code})
        (series,) = chosen
        place: dict[str, errors.Value] = {"series": code, "next": series.next}
        if next_sequence <= series.next:
            raise errors.Problem(code="validation_error", values={"cause": "not_forward", **place})
        if series.last is not None and next_sequence > series.last + 1:
            raise errors.Problem(code="validation_error", values={"cause": "past_range", **place, "last": series.last})
        Series.objects.filter(pk=series.pk).update(next=next_sequence)
        log.record(
            action=Action.SERIES_MOVED,
            object_type="series",
            object_id=code,
            actor=actor,
            code=f"{series.next}-{next_sequence - 1}",
            details={"reason": reason},
        )
    return next_sequence - series.next


def take(*, issuer: Issuer, kind: Kind, issue_date: dt.date, actor: log.Actor) -> LegalNumber:
    """Take the next number of the issuer's series for the kind and the year of the local issue date.

    The row stays locked until the transaction ends, so take it last: who waits here waits for a commit, not for work.

    :raises errors.Problem: `series_exhausted` when the authorised range or its validity has ended
    :raises errors.WormError: `worm_bucket_misconfigured`: nobody knows yet whether the vault can keep what is numbered;
        `worm_unavailable`: this process does not know yet whether the vault has later numbers
    """
    if not probes.is_proven():
        raise errors.WormError(code="worm_bucket_misconfigured", values={"cause": "unproven"})
    if comparisons.is_pending():
        raise errors.WormError(code="worm_unavailable", values={"cause": "not_compared"})
    row = _take_next(issuer=issuer, kind=kind, issue_date=issue_date)
    if row is None:
        # No row: used up, or not opened yet. Another transaction may open it between two statements of this one, so
        # the second look comes whoever opened it.
        open_series(issuer=issuer, kind=kind, year=issue_date.year, actor=actor)
        row = _take_next(issuer=issuer, kind=kind, issue_date=issue_date)
    if row is None:
        raise errors.Problem(
            code="series_exhausted",
            values={"issuer": issuer.code, "kind": catalog.TABLE[kind].code, "year": str(issue_date.year)},
        )
    series_id, sequence, code = row
    return LegalNumber(series_id=series_id, sequence=sequence, number=written(code=code, sequence=sequence))


def written(*, code: str, sequence: int) -> str:
    """Write a place in a series: `AES-OFS-2026-0000123`."""
    return f"{code}-{sequence:0{DIGITS}d}"


def _key(series: Series) -> locks.LockKey:
    """Return the key by which series are locked: that of the order in which numbers are taken."""
    return series.issuer_id, place(kind=Kind(series.kind)), series.year


def place(*, kind: Kind) -> int:
    """Return a kind's place in the order in which numbers are taken: a credit note comes after what it may correct."""
    return [*catalog.TABLE].index(kind)


def _take_next(*, issuer: Issuer, kind: Kind, issue_date: dt.date) -> tuple[int, int, str] | None:
    """Take the next number of a series; None where the series is not there, or may give none on the date."""
    locks.declare(rank=locks.Rank.SERIES, keys=[(issuer.pk, place(kind=kind), issue_date.year)])
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [issuer.pk, kind, issue_date.year, issue_date, issue_date])
        row: tuple[int, int, str] | None = cursor.fetchone()
    return row
