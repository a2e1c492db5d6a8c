"""After the restore of an old database beside a newer vault: no number that was given is given again.

The vault says which numbers were given, by its keys; so do mails that were sent. Each series is moved past all of them,
with the skipped span on record, and each document without a row is named.
"""

import datetime as dt
import itertools
import logging
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from django.db import DatabaseError, InterfaceError, close_old_connections, connection, transaction

from audit import log
from documents import catalog, errors
from documents.custody import missing
from documents.emission import numbering
from documents.models import Issuer, Kind, Series
from documents.vault import comparisons, places

AGAIN_S = 5.0  # between two looks of a process that has not had an answer since its start
logger = logging.getLogger(__name__)
NUMBER = re.compile(r"(?<![A-Za-z0-9])(?P<series>[A-Z0-9]+-[A-Z]+\d*-\d{4})-(?P<sequence>\d{7,12})(?!\d)", re.ASCII)
REASON = "numbers that were given before the database was restored"


def look(*, now: dt.datetime, actor: log.Actor) -> list[str]:
    """Name the documents in the vault whose numbers lie ahead of their series, and move the series past them.

    It asks the vault only for what sorts behind the last number of each series: a question or two a series.

    A former store is asked too; where it does not answer, that stops no emission, and the next round asks again.

    :returns: the numbers of the missing documents
    :raises errors.WormError: the vault does not answer
    """
    ahead = [*_ahead(now=now, url=places.here())]
    for url in places.known()[1:]:
        try:
            ahead += _ahead(now=now, url=url)
        except errors.WormError:
            logger.exception("custody.former_not_asked")
    numbers = sorted({part["number"] for part in ahead})
    if numbers:
        logger.error("custody.restored", extra={"count": len(numbers), "first": numbers[0], "last": numbers[-1]})
        missing.tell(numbers=numbers)
        move_past(numbers=numbers, actor=actor)
    return numbers


def at_start(*, actor: log.Actor, now: dt.datetime) -> bool:
    """Look before the first number is taken by this process; False where something does not answer: look again soon.

    Until it is true the process takes no number.
    """
    comparisons.begin()
    if not try_look(now=now, actor=actor):
        return False
    comparisons.end()
    return True


def try_look(*, now: dt.datetime, actor: log.Actor) -> bool:
    """Look, and tell whether everything has answered."""
    try:
        look(now=now, actor=actor)
    except (errors.Problem, DatabaseError, InterfaceError, log.AuditUnavailable):
        logger.exception("custody.start_not_checked")
        return False
    return True


def begin(*, actor: log.Actor, clock: Callable[[], dt.datetime]) -> None:
    """Do that for a process without periodic work: where something does not answer, a thread asks until it does."""
    if not at_start(actor=actor, now=clock()):
        threading.Thread(target=_ask, kwargs={"actor": actor, "clock": clock}, name="restore", daemon=True).start()


def _ask(*, actor: log.Actor, clock: Callable[[], dt.datetime]) -> None:
    """Look again until everything has answered once."""
    while True:
        time.sleep(AGAIN_S)
        close_old_connections()
        if at_start(actor=actor, now=clock()):
            connection.close()
            return


def move_past(*, numbers: Iterable[str], actor: log.Actor) -> dict[str, int]:
    """Move each series past the highest of these numbers; return the next number of each series that was moved.

    Numbers of no series of ours, and those that a series has passed, move nothing.
    """
    highest: dict[str, int] = defaultdict(int)
    for match in filter(None, map(NUMBER.fullmatch, numbers)):
        highest[match["series"]] = max(highest[match["series"]], int(match["sequence"]))
    moved: dict[str, int] = {}
    for code, sequence in sorted(highest.items()):
        _open(code=code, actor=actor)
        if not Series.objects.filter(code=code, next__lte=sequence).exists():
            continue
        try:
            numbering.move(code=code, next_sequence=sequence + 1, reason=REASON, actor=actor)
            moved[code] = sequence + 1
        except errors.Problem as problem:  # past its authorised range, or another process was first
            logger.warning("custody.not_moved", extra={"series": code, "cause": str(problem)})
    return moved


def numbers_in(*, text: str) -> Iterator[str]:
    """Yield the numbers that a text names, such as a mail server's log of subjects."""
    yield from (match[0] for match in NUMBER.finditer(text))


def _ahead(*, now: dt.datetime, url: str) -> Iterator[dict[str, str]]:
    """Yield what lies in a store behind the last number of each series and has no row."""
    series = {row.code: row for row in Series.objects.all()}
    for issuer in Issuer.objects.defer("logo"):
        mine = [row for row in series.values() if row.issuer_id == issuer.pk]
        years = {row.year for row in mine} | {now.year - 1, now.year}
        parts = range(1, max((row.part for row in mine), default=1) + 2)  # one more than the database knows
        for kind, year, part in itertools.product(Kind, sorted(years), parts):
            code = numbering.series_code(issuer=issuer, kind=kind, year=year, part=part)
            row = series.get(code)
            prefix = f"{issuer.country_id}/{issuer.slug}/{year}/{code}-"
            given = numbering.written(code=code, sequence=row.next - 1) if row else ""
            after = f"{prefix.removesuffix(f'{code}-')}{given}~" if given else ""
            yield from missing.of_vault(prefix=prefix, after=after, url=url)


def _open(*, code: str, actor: log.Actor) -> None:
    """Open a series of an issuer of ours that the database does not know any more."""
    start, stated, year = code.rsplit("-", 2)
    kind_code = stated.rstrip("0123456789")
    part = int(stated.removeprefix(kind_code) or 1)
    kind = next((kind for kind, rules in catalog.TABLE.items() if rules.code == kind_code), None)
    issuer = Issuer.objects.filter(code=start).defer("logo").first()
    if kind is not None and issuer is not None and not Series.objects.filter(code=code).exists():
        with transaction.atomic():
            numbering.open_series(issuer=issuer, kind=kind, year=int(year), part=part, actor=actor)
