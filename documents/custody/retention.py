"""What is kept until when: the documents by country, kind, year of issue and last protected day."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Count, Q
from django.db.models.functions import ExtractYear

from documents.custody import legal_holds
from documents.emission import custody
from documents.models import Document


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Documents that are kept until the same day, and how many of them a matter holds beyond it.

    `expired`: the day is over where their law is; `due`: it will be within the days that were asked for.
    """

    country: str
    kind: str
    issue_year: int
    retain_until: dt.date
    documents: int
    on_hold: int
    expired: bool
    due: bool

    def as_json(self) -> dict[str, object]:
        """Return the row for programs."""
        return {**vars(self), "retain_until": self.retain_until.isoformat()}


def report(*, now: dt.datetime, within: dt.timedelta) -> Iterator[Kept]:
    """Yield what is kept until when, in one reading of all documents.

    :param within: how far ahead a day counts as due
    """
    rows = (
        Document.objects.annotate(issue_year=ExtractYear("issue_date"))
        .values("country_id", "kind", "issue_year", "retain_until")
        .annotate(documents=Count("pk"), on_hold=Count("pk", filter=Q(legal_holds.is_held())))
        .order_by("country_id", "kind", "issue_year", "retain_until")
    )
    for row in rows:
        ends = custody.lock_end_of(country=row["country_id"], retain_until=row["retain_until"])
        yield Kept(
            country=row["country_id"],
            kind=row["kind"],
            issue_year=row["issue_year"],
            retain_until=row["retain_until"],
            documents=row["documents"],
            on_hold=row["on_hold"],
            expired=ends <= now,
            due=now < ends <= now + within,
        )
