"""Opens another series of an issuer in mid-year, as a new authorised range needs; from then on it gives the numbers."""

import argparse
import datetime as dt
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from config.management import reasons
from documents import catalog, errors
from documents.access import actors
from documents.emission import numbering
from documents.events import waiting
from documents.models import Event, Issuer
from documents.sentences import writing


class Command(BaseCommand):
    """`make manage ARGS="open_series SLUG KIND [--last N] [--from DAY] [--until DAY] --reason '...'"`."""

    help = "Open another series of this year, such as AES-OFS2-2026; the one before it gives no number from then on."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("issuer", help="its slug: aventide-es")
        parser.add_argument("kind", help="as it stands in the numbers: OFS")
        parser.add_argument("--year", type=int, help="default: that of its first day, where the issuer is")
        parser.add_argument("--first", type=int, default=1, help="its first number (default: 1)")
        parser.add_argument("--last", type=int, help="the last number that is authorised (default: no end)")
        parser.add_argument(
            "--from", dest="valid_from", type=dt.date.fromisoformat, help="its first day (default: now)"
        )
        parser.add_argument("--until", dest="valid_until", type=dt.date.fromisoformat, help="its last day")
        parser.add_argument("--authority", default="", help="the reference of the authority that authorised it")
        parser.add_argument("--reason", type=reasons.stated, required=True, help="why, for the log")

    def handle(self, *_args: object, **options: Any) -> None:
        """Open one series, and let what waited for numbers go on.

        :raises CommandError: no such issuer or kind, a range that is none, or no series to follow
        """
        issuer = Issuer.objects.filter(slug=options["issuer"]).first()
        kinds = {rules.code: kind for kind, rules in catalog.TABLE.items()}
        if issuer is None or options["kind"] not in kinds:
            raise CommandError(f"no issuer has this slug, or no kind is {options['kind']}: {', '.join(kinds)}")
        _check(options=options)
        now = timezone.now()
        year = numbering.year_of(issuer=issuer, first_day=options["valid_from"], now=now)
        with transaction.atomic():
            missed = Event.objects.filter(code__in=waiting.SERIES_CODES, issuer_slug=issuer.slug)
            waiting.retry(held=missed, now=now)
            try:
                code = numbering.open_another(
                    issuer=issuer,
                    kind=kinds[options["kind"]],
                    year=options["year"] or year,
                    actor=actors.program(name="open_series", channel="command"),
                    reason=options["reason"],
                    now=now,
                    first=options["first"],
                    last=options["last"],
                    valid_from=options["valid_from"],
                    valid_until=options["valid_until"],
                    authority_reference=options["authority"].strip(),
                )
            except errors.Problem as problem:
                raise CommandError(writing.of_problem(problem=problem, language="en")) from problem
        self.stdout.write(f"✓ {code}: abierta, empieza en {options['first']} · open, begins with it")


def _check(*, options: dict[str, Any]) -> None:
    """Refuse what is no series.

    :raises CommandError: says what a series has
    """
    first, last, authority = options["first"], options["last"], options["authority"].strip()
    days = [day for day in (options["valid_from"], options["valid_until"]) if day is not None]
    numbers = [first] if last is None else [first, last]
    if first < 1 or numbers != sorted(numbers) or numbers[-1] > numbering.NUMBER_MAX or days != sorted(days):
        raise CommandError("a series has a first number of 1 or more, of 15 digits at most, and ends after it begins")
    if len(authority) > numbering.REFERENCE_LENGTH_MAX or not authority.isprintable():
        raise CommandError(f"--authority: at most {numbering.REFERENCE_LENGTH_MAX} printable characters")
