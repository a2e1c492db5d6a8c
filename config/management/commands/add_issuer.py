"""Adds issuers: company, logo, and the series with their starting numbers. Safe to run again."""

import argparse
import datetime as dt
import json
import pathlib
import re
from collections.abc import Container
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from audit import log
from audit.actions import Action
from documents import catalog, errors
from documents.access import actors
from documents.countries import pack
from documents.emission import issuers, numbering
from documents.events import waiting
from documents.models import Country, Event, Issuer, Kind
from documents.sentences import writing

ACTOR = actors.program(name="add_issuer", channel="command")
FIELDS = ("slug", "country", "legal_name", "tax_id", "address", "code")
SERIES_FIELDS = {"kind", "year", "first", "last", "valid_from", "valid_until", "authority_reference"}
SERIES_FORM = "kind, and maybe year, first, last (1, 2, ...), valid_from, valid_until (2026-12-31), authority_reference"
TAX_ID_LENGTH_MAX = 40  # as documents.models.Issuer
CODE = re.compile(r"[A-Z0-9]{2,5}")
SLUG = re.compile(r"[a-z0-9_.-]{1,64}")


class Command(BaseCommand):
    """`make manage ARGS="add_issuer issuers.json [--logo logo.png] [--start OFS=124]"`."""

    help = (
        "Add issuers from a JSON object or list: slug, country, legal_name, tax_id, address, code, support_email?,"
        " logo?, series?; of one that exists only support_email may change"
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("file", type=pathlib.Path)
        parser.add_argument("--logo", type=pathlib.Path, help="PNG of at most 200 kB, for a file with one issuer")
        parser.add_argument(
            "--start", action="append", default=[], metavar="KIND=N", help="first number of this year's series"
        )

    def handle(self, *_args: object, **options: Any) -> None:
        """Add every issuer of the file, or none.

        :raises CommandError: what is wrong with the file or one of its rows
        """
        try:
            read = json.loads(options["file"].read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise CommandError(f"{options['file']}: {error}") from error
        rows = read if isinstance(read, list) else [read]
        if options["logo"] and len(rows) != 1:
            raise CommandError("--logo goes with a file of one issuer")
        wanted: list[tuple[Issuer, dict[str, Any]]] = []
        with transaction.atomic():
            for row in rows:
                _check(row=row)
                logo = options["logo"] or (options["file"].parent / row["logo"] if row.get("logo") else None)
                issuer, result = _add(row=row, logo=logo)
                year = numbering.year_of(issuer=issuer, first_day=None, now=timezone.now())
                wanted += [(issuer, series) for series in _series(row=row, starts=options["start"], year=year)]
                self.stdout.write(result)
            slugs = [issuer.slug for issuer, _series in wanted]
            missed = Event.objects.filter(code__in=waiting.ISSUER_CODES, issuer_slug__in=slugs)
            waiting.retry(held=missed, now=timezone.now())
            # In the order in which numbers are taken: see `documents.locks`.
            for issuer, series in sorted(wanted, key=_place):
                _open(issuer=issuer, series=series)


def _open(*, issuer: Issuer, series: dict[str, Any]) -> None:
    """Open a series, unless it is there just as it is stated.

    :raises CommandError: it is there and otherwise: numbers that are given do not change
    """
    if numbering.open_series(issuer=issuer, actor=ACTOR, **series):
        return
    try:
        numbering.require_as_stated(issuer=issuer, **series)
    except errors.Problem as problem:
        said = writing.of_problem(problem=problem, language="en")
        raise CommandError(f"{issuer.slug}: series_exists: {said}") from problem


def _check(*, row: Any) -> None:  # noqa: ANN401 - JSON
    """Refuse a row that is not in the form of an issuer.

    :raises CommandError: what is wrong with the row, and how to mend it
    """
    if not isinstance(row, dict) or any(not isinstance(row.get(name), str) or not row[name].strip() for name in FIELDS):
        raise CommandError(f"an issuer needs the texts {', '.join(FIELDS)}")
    unknown = set(row) - set(FIELDS) - {"logo", "series", "support_email"}
    if unknown:
        raise CommandError(f"{row['slug']}: unknown fields {', '.join(sorted(unknown))}")
    if not SLUG.fullmatch(row["slug"]) or not CODE.fullmatch(row["code"]):
        raise CommandError(f"{row['slug']}: slug is [a-z0-9_.-]{{1,64}}, code is 2 to 5 of A-Z and 0-9")
    if len(row["tax_id"]) > TAX_ID_LENGTH_MAX or "\0" in row["tax_id"]:
        raise CommandError(f"{row['slug']}: tax_id is a text of at most {TAX_ID_LENGTH_MAX} characters, without NUL")
    for name in ("legal_name", "address"):
        try:
            issuers.checked_text(text=row[name])
        except ValueError as error:
            raise CommandError(f"{row['slug']}: {name}: {error}") from error
    if "support_email" in row:
        _check_address(row=row)
    if not isinstance(row.get("logo", ""), str) or not isinstance(row.get("series", []), list):
        raise CommandError(f"{row['slug']}: logo is the name of a file beside this one, series is a list")


def _check_address(*, row: dict[str, Any]) -> None:
    """Refuse a support address that is no address.

    :raises CommandError: it is not in the form of one
    """
    try:
        validate_email(str(row["support_email"]))
    except ValidationError as error:
        raise CommandError(f"{row['slug']}: support_email is the address where people ask, a@b.example") from error


def _add(*, row: dict[str, Any], logo: pathlib.Path | None) -> tuple[Issuer, str]:
    """Add one issuer, and return it with what became of it.

    :raises CommandError: what cannot be added, and how to mend it
    """
    country = pack.for_country(row["country"])
    if country is None:
        raise CommandError(f"{row['slug']}: no pack for country {row['country']}")
    try:
        tax_id = country.check_tax_id(value=row["tax_id"])
    except errors.Problem as problem:
        raise CommandError(f"{row['slug']}: {problem}") from problem
    known = Country.objects.filter(pk=row["country"]).first()
    if known is None:
        raise CommandError(f"{row['slug']}: {row['country']} is not in the database yet: make manage ARGS=provision")
    other = Issuer.objects.filter(code=row["code"]).exclude(slug=row["slug"]).first()
    if other is not None:
        raise CommandError(f"{row['slug']}: the code {row['code']} is already that of {other.slug}")
    values = {
        "code": row["code"],
        "country": known,
        "legal_name": row["legal_name"],
        "tax_id": tax_id.value,
        "address": row["address"],
    }
    issuer = Issuer.objects.filter(slug=row["slug"]).first()
    if issuer is not None:
        changed = [name for name, value in values.items() if getattr(issuer, name) != value]
        if changed:
            raise CommandError(f"{row['slug']} exists with another {', '.join(changed)}: see the command change_issuer")
        if logo and _png(logo) != bytes(issuer.logo or b""):
            raise CommandError(f"{row['slug']} exists with another logo: see the command change_issuer")
        result = _written_to(issuer=issuer, support_email=row.get("support_email", issuer.support_email))
    else:
        values |= {"support_email": row.get("support_email", ""), "logo": _png(logo) if logo else None}
        issuer = Issuer.objects.create(slug=row["slug"], **values)
        log.record(action=Action.ISSUER_ADDED, object_type="issuer", object_id=issuer.slug, actor=ACTOR)
        result = f"{row['slug']}: added"
    return issuer, result


def _written_to(*, issuer: Issuer, support_email: str) -> str:
    """Change the address where an issuer's support reads, on record; return what became of the issuer."""
    if support_email == issuer.support_email:
        return f"{issuer.slug}: already there"
    Issuer.objects.filter(pk=issuer.pk).update(support_email=support_email)
    log.record(
        action=Action.ISSUER_SUPPORT_CHANGED,
        object_type="issuer",
        object_id=issuer.slug,
        actor=ACTOR,
        details={"support_email": support_email},
    )
    issuer.support_email = support_email
    return f"{issuer.slug}: support_email is now {support_email or 'that of the deployment'}"


def _series(*, row: dict[str, Any], starts: list[str], year: int) -> list[dict[str, Any]]:
    """Return the series to open: those of the file, those of --start, and this year's of every kind.

    :raises CommandError: an unknown kind, or a number that is none
    """
    codes = {rules.code: kind for kind, rules in catalog.TABLE.items()}
    wanted: list[dict[str, Any]] = []
    for series in row.get("series", []):
        if not _is_series(series=series, codes=codes):
            raise CommandError(f"{row['slug']}: a series has {SERIES_FORM}; kinds: {', '.join(codes)}")
        dates = {
            name: dt.date.fromisoformat(series[name]) for name in ("valid_from", "valid_until") if series.get(name)
        }
        wanted.append({"year": year} | series | dates | {"kind": codes[series["kind"]]})
    for text in starts:
        code, _, first = text.partition("=")
        if code not in codes or not re.fullmatch(r"[1-9][0-9]{0,14}", first):
            raise CommandError(f"--start {text}: use KIND=N with a kind of {', '.join(codes)}")
        wanted.append({"kind": codes[code], "year": year, "first": int(first)})
    named = {(series["kind"], series["year"]) for series in wanted}
    return wanted + [{"kind": kind, "year": year} for kind in Kind if (kind, year) not in named]


def _place(wanted: tuple[Issuer, dict[str, Any]]) -> tuple[int, int, int]:
    """Return a series' place in the order in which series are locked."""
    issuer, series = wanted
    return issuer.pk, numbering.place(kind=series["kind"]), series["year"]


def _is_series(*, series: object, codes: Container[str]) -> bool:
    """Say whether a value of the file is a series, in the form of SERIES_FORM."""
    if not isinstance(series, dict) or set(series) - SERIES_FIELDS:
        return False
    numbers = [series.get("first", 1)] + ([series["last"]] if series.get("last") is not None else [])
    reference = series.get("authority_reference", "")
    return (
        isinstance(series.get("kind"), str)
        and series["kind"] in codes
        and all(
            type(number) is int and 0 < number <= numbering.NUMBER_MAX for number in [*numbers, series.get("year", 1)]
        )
        and numbers == sorted(numbers)
        and series.get("year", 1) <= dt.MAXYEAR
        and all(_is_date(text=series[name]) for name in ("valid_from", "valid_until") if series.get(name) is not None)
        and isinstance(reference, str)
        and len(reference) <= numbering.REFERENCE_LENGTH_MAX
        and "\0" not in reference
    )


def _is_date(*, text: object) -> bool:
    """Say whether a value is a date as JSON has it."""
    try:
        return isinstance(text, str) and bool(dt.date.fromisoformat(text))
    except ValueError:
        return False


def _png(path: pathlib.Path) -> bytes:
    """Read a logo.

    :raises CommandError: not a PNG, or too large
    """
    try:
        return issuers.checked_logo(body=path.read_bytes())
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: {error}") from error
