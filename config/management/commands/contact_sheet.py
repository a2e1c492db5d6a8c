"""Every kind of document of every country, issued by the line itself, on one picture."""

import argparse
import datetime as dt
import io
import json
import pathlib
from collections.abc import Sequence
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from PIL import Image, ImageDraw, ImageFont

from config import env, progress
from config.simulation import sample_week
from documents.access import actors
from documents.countries import pack
from documents.emission import locking
from documents.events import intake
from documents.models import Document, Issuer, Status
from documents.rendering import render
from documents.vault import store

SAMPLES = pathlib.Path(__file__).resolve().parents[2] / "samples"
DEFAULT = env.BASE_DIR / "docs" / "images" / "contact-sheet.png"
# TABLE: a column's heading, and the key that its document ends or begins with; {C} is the country.
COLUMNS = (
    ("Recibo de pago", "PAYMENT_RECEIPT:payment:pay_B_{C}:customer"),
    ("Statement final", "ORDER_FINAL_STATEMENT:order:ord_B_{C}:beneficiary"),
    ("… de una flota", "ORDER_FINAL_STATEMENT:order:ord_F_{C}:beneficiary"),
    ("… de un comercio", "ORDER_FINAL_STATEMENT:order:ord_P_{C}:partner"),
    ("… complementario", "ORDER_FINAL_STATEMENT:order:ord_A_{C}:beneficiary:adj_1_{C}"),
    ("Liquidación de pago", "PAYOUT_STATEMENT:payout:po_1_{C}:payee"),
    ("Aviso de pago revertido", "PAYOUT_REVERSAL_NOTICE:payout:po_1_{C}:payee:returned"),
    ("Nota de crédito", "CREDIT_NOTE:refund:rf_B_{C}:customer"),
)
WIDTH, GAP, HEAD, SIDE = 300, 16, 44, 56  # pixels
BACK, INK = "#e6eaee", "#17212f"
COLORS_MAX = 48
ACTOR = actors.program(name="contact_sheet", channel="command")
SERVICES = env.SERVICES


class Command(BaseCommand):
    """Runs on private servers that are thrown away. `--pages FOLDER` also keeps every page as a PNG of its own."""

    help = "Issue a week of every country and draw one contact sheet of what comes of it."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--out", type=pathlib.Path, default=DEFAULT, help=f"the picture (default {DEFAULT.name})")
        parser.add_argument("--pages", type=pathlib.Path, help="a folder for every page, readable")

    def handle(self, *_args: object, **options: Any) -> None:
        """Issue, lock and draw.

        :raises CommandError: a folder cannot be made, an event was not processed, or a document not locked
        """
        for folder in filter(None, (options["out"].parent, options["pages"])):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise CommandError(f"{folder}: {error.strerror}") from error
        call_command("provision", verbosity=0)
        call_command("add_issuer", str(SAMPLES / "issuers.json"), stdout=self.stderr)
        countries = list(pack.registry().values())
        now = timezone.now()
        for country in countries:
            self.issue_week(country=country, now=now)
        documents = {row.document_key_id: row for row in Document.objects.order_by("pk")}
        with progress.progress(label="resguardados", total=len(documents)) as step:
            for row in documents.values():
                locking.advance(document_id=row.pk, now=timezone.now())
                step(note=row.number)
        left = Document.objects.exclude(status=Status.LOCKED).count()
        if left:
            raise CommandError(f"{left} documents are not locked")
        first = {key: _page(document, page=1) for key, document in documents.items()}
        _sheet(countries=[country.country for country in countries], first=first).save(options["out"], optimize=True)
        self.stdout.write(f"{len(documents)} documents, {options['out']}")
        if options["pages"]:
            self.save_pages(folder=options["pages"])

    def issue_week(self, *, country: pack.Pack, now: dt.datetime) -> None:
        """Send a country's week to intake, each event once.

        :raises CommandError: an event that is not processed at once
        """
        issuer = Issuer.objects.filter(country_id=country.country).order_by("slug").first()
        if issuer is None:
            raise CommandError(f"samples/issuers.json names no issuer of {country.country}")
        for event in sample_week.week(pack=country, issuer=issuer.slug):
            raw = json.dumps(event, ensure_ascii=False).encode()
            answer = intake.receive(raw=raw, services=SERVICES, now=now, actor=ACTOR)
            if answer.body.get("status") != "processed":
                raise CommandError(f"{event['id']}: {answer.status} {answer.problem or answer.body}")

    def save_pages(self, *, folder: pathlib.Path) -> None:
        """Write each page of each document as it is read on a screen."""
        for document in Document.objects.order_by("pk"):
            for page in range(1, (document.pages or 1) + 1):
                _page(document, page=page, width=1240).save(folder / f"{document.number}-{page}.png")


def _page(document: Document, *, page: int, width: int = WIDTH) -> Image.Image:
    """Draw a page of what lies in the vault."""
    row = Document.objects.get(pk=document.pk)
    body = store.read(url=row.vault_url, key=row.vault_key, version=row.vault_version)
    return Image.open(io.BytesIO(render.preview(pdf=body, page=page, width=width))).convert("RGB")


def _sheet(*, countries: Sequence[str], first: dict[str, Image.Image]) -> Image.Image:
    """Lay first pages out: a row a country, a column a kind."""
    height = max(image.height for image in first.values())
    size = (SIDE + len(COLUMNS) * (WIDTH + GAP) + GAP, HEAD + len(countries) * (height + GAP) + GAP)
    sheet, fonts = Image.new("RGB", size, BACK), render.TEMPLATES / "pdf" / "fonts"
    pen, face = ImageDraw.Draw(sheet), ImageFont.truetype(str(fonts / "IBMPlexSans-SemiBold.ttf"), 20)
    for column, (title, key) in enumerate(COLUMNS):
        x = SIDE + column * (WIDTH + GAP) + GAP
        pen.text((x, 14), title, fill=INK, font=face)
        for row, country in enumerate(countries):
            y = HEAD + row * (height + GAP)
            pen.text((GAP, y), country, fill=INK, font=face)
            sheet.paste(first[key.replace("{C}", country)], (x, y))
    return sheet.quantize(colors=COLORS_MAX, dither=Image.Dither.NONE)
