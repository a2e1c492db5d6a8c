"""Adds issuers: company, logo, and the series with their starting numbers. Safe to run again."""

import argparse
import datetime as dt
import io
import json
import pathlib
import re
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone
from PIL import Image, UnidentifiedImageError

from audit import log
from audit.actions import Action
from documents import catalog, errors
from documents.countries import pack
from documents.emission import numbering
from documents.models import Country, Issuer, Kind

ACTOR = log.Actor(kind="system", id="add_issuer", channel="command")
FIELDS = ("slug", "country", "legal_name", "tax_id", "address", "code")
SERIES_FIELDS = {"kind", "year", "first", "last", "valid_from", "valid_until", "authority_reference"}
LOGO_BYTES_MAX = 200_000
CODE = re.compile(r"[A-Z0-9]{2,5}")
SLUG = re.compile(r"[a-z0-9_.-]{1,64}")


class Command(BaseCommand):
    """`manage.py add_issuer issuers.json [--logo logo.png] [--start OFS=124]`."""

    help = "Add issuers from a JSON object or list: slug, country, legal_name, tax_id, address, code, logo?, series?"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """This method will declare the arguments."""
        parser.add_argument("file", type=pathlib.Path)
        parser.add_argument("--logo", type=pathlib.Path, help="PNG of at most 200 kB, for a file with one issuer")
        parser.add_argument(
            "--start", action="append", default=[], metavar="KIND=N", help="first number of this year's series"
        )

    def handle(self, *args: object, **options: Any) -> None:  # noqa: ANN401, ARG002 - Django's signature
        """This method will add every issuer of the file, or none."""
        try:
            read = json.loads(options["file"].read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CommandError(f"{options['file']}: {error}") from error
        rows = read if isinstance(read, list) else [read]
        if options["logo"] and len(rows) != 1:
            raise CommandError("--logo goes with a file of one issuer")
        with transaction.atomic():
            for row in rows:
                folder = options["file"].parent
                logo = options["logo"] or (folder / row["logo"] if isinstance(row, dict) and row.get("logo") else None)
                self.stdout.write(_add(row=row, logo=logo, starts=options["start"]))


def _add(*, row: Any, logo: pathlib.Path | None, starts: list[str]) -> str:  # noqa: ANN401 - JSON
    """This function will add one issuer and its series.

    :raises CommandError: what is wrong with the row, and how to mend it
    """
    if not isinstance(row, dict) or any(not isinstance(row.get(name), str) or not row[name].strip() for name in FIELDS):
        raise CommandError(f"an issuer needs the texts {', '.join(FIELDS)}")
    unknown = set(row) - set(FIELDS) - {"logo", "series"}
    if unknown:
        raise CommandError(f"{row['slug']}: unknown fields {', '.join(sorted(unknown))}")
    if not SLUG.fullmatch(row["slug"]) or not CODE.fullmatch(row["code"]):
        raise CommandError(f"{row['slug']}: slug is [a-z0-9_.-]{{1,64}}, code is 2 to 5 of A-Z and 0-9")
    country = pack.for_country(row["country"])
    if country is None:
        raise CommandError(f"{row['slug']}: no pack for country {row['country']}")
    try:
        tax_id = country.check_tax_id(value=row["tax_id"])
    except errors.Problem as problem:
        raise CommandError(f"{row['slug']}: {problem}") from problem
    values = {
        "code": row["code"],
        "country": Country.objects.get(pk=row["country"]),
        "legal_name": row["legal_name"],
        "tax_id": tax_id.value,
        "address": row["address"],
    }
    issuer = Issuer.objects.filter(slug=row["slug"]).first()
    if issuer is not None:
        changed = [name for name, value in values.items() if getattr(issuer, name) != value]
        if changed:
            raise CommandError(f"{row['slug']} exists with another {', '.join(changed)}: issuers are not rewritten")
        said = f"{row['slug']}: already there"
    else:
        issuer = Issuer.objects.create(slug=row["slug"], logo=_png(logo) if logo else None, **values)
        log.record(action=Action.ISSUER_ADDED, object_type="issuer", object_id=issuer.slug, actor=ACTOR)
        said = f"{row['slug']}: added"
    for series in _series(row=row, starts=starts):
        numbering.open_series(issuer=issuer, actor=ACTOR, **series)
    return said


def _series(*, row: dict[str, Any], starts: list[str]) -> list[dict[str, Any]]:
    """This function will return the series to open: those of the file, those of --start, and this year's of every kind.

    :raises CommandError: an unknown kind, or a number that is none
    """
    year = timezone.now().year
    codes = {one.code: kind for kind, one in catalog.TABLE.items()}
    wanted: list[dict[str, Any]] = []
    for series in row.get("series") or []:
        if not isinstance(series, dict) or set(series) - SERIES_FIELDS or series.get("kind") not in codes:
            raise CommandError(
                f"{row['slug']}: a series has {', '.join(sorted(SERIES_FIELDS))}; kinds: {', '.join(codes)}"
            )
        dates = {
            name: dt.date.fromisoformat(series[name]) for name in ("valid_from", "valid_until") if series.get(name)
        }
        wanted.append({"year": year} | series | dates | {"kind": codes[series["kind"]]})
    for text in starts:
        code, _, first = text.partition("=")
        if code not in codes or not first.isdigit() or int(first) < 1:
            raise CommandError(f"--start {text}: use KIND=N with a kind of {', '.join(codes)}")
        wanted.append({"kind": codes[code], "year": year, "first": int(first)})
    named = {(one["kind"], one["year"]) for one in wanted}
    return wanted + [{"kind": kind, "year": year} for kind in Kind if (kind, year) not in named]


def _png(path: pathlib.Path) -> bytes:
    """This function will read a logo.

    :raises CommandError: not a PNG, or too large
    """
    try:
        body = path.read_bytes()
        with Image.open(io.BytesIO(body)) as image:
            image.verify()
            good = image.format == "PNG"
    except (OSError, UnidentifiedImageError) as error:
        raise CommandError(f"{path}: {error}") from error
    if not good or len(body) > LOGO_BYTES_MAX:
        raise CommandError(f"{path}: a logo is a PNG of at most {LOGO_BYTES_MAX} bytes")
    return body
