"""How mails and pages write what a document holds: title, days, moments, sizes, amounts, masked names.

The language is the one in force (`django.utils.translation`), Spanish or English. Days and moments are in the time zone
of the document.
"""

import datetime as dt
import json
import re
import zoneinfo
from decimal import Decimal

from babel import dates, numbers
from django.utils import translation

from documents import money
from documents.countries import pack
from documents.models import Document, Party
from documents.rendering import printout

LANGUAGES = ("es", "en")
KILO = 1024
DOTS_MAX = 8


def language() -> str:
    """Return the language in force, one of LANGUAGES."""
    active = (translation.get_language() or "")[:2]
    return active if active in LANGUAGES else LANGUAGES[0]


def of_party(*, party: Party) -> str:
    """Return the language of the letters to a party: English where the locale says so, else Spanish."""
    return language_of(locale=party.locale)


def language_of(*, locale: str) -> str:
    """Return the one of LANGUAGES that a locale such as `en-GB` means; Spanish for any other."""
    wanted = locale[:2].lower()
    return wanted if wanted in LANGUAGES else LANGUAGES[0]


def title(*, document: Document) -> str:
    """Return what the document's country calls its kind."""
    title_text = pack.required(document.country_id).title(kind=document.kind)
    return title_text.en if language() == "en" else title_text.es


def time_zone(*, document: Document) -> zoneinfo.ZoneInfo:
    """Return the legal time zone in the document's frozen content."""
    return zoneinfo.ZoneInfo(json.loads(document.content)["time_zone"])


def day(*, date: dt.date) -> str:
    """Write "21 de febrero de 2026" or "21 February 2026"."""
    return dates.format_date(date, format="long", locale="en_GB" if language() == "en" else "es")


def moment(*, when: dt.datetime, document: Document) -> str:
    """Write "domingo 29 de noviembre, 18:00 (Madrid)": weekday, local time and whose time it is."""
    zone = time_zone(document=document)
    pattern = "EEEE d MMMM, HH:mm" if language() == "en" else "EEEE d 'de' MMMM, HH:mm"
    written = dates.format_datetime(when, format=pattern, tzinfo=zone, locale="en_GB" if language() == "en" else "es")
    return f"{written} ({zone.key.rpartition('/')[2].replace('_', ' ')})"


def clock(*, when: dt.datetime, document: Document) -> str:
    """Write "18:40" in the document's time zone."""
    return when.astimezone(time_zone(document=document)).strftime("%H:%M")


def size(*, octets: int) -> str:
    """Write a file's size: "86 KB", "1,2 MB"."""
    if octets < KILO * KILO:
        return f"{max(1, round(octets / KILO))}\N{NO-BREAK SPACE}KB"
    return f"{numbers.format_decimal(round(Decimal(octets) / KILO / KILO, 1), locale=language())}\N{NO-BREAK SPACE}MB"


def amount(*, document: Document) -> str:
    """Write the document's total as its country does, with the ISO code: "1.234,50 EUR"."""
    return money_of(document=document, text=money.text(document.total_minor, money.digits(document.currency)))


def money_of(*, document: Document, text: str) -> str:
    """Write an amount of a document as its total is written."""
    country = pack.required(document.country_id)
    # As many decimals as the PDF shows.
    decimals = printout.decimals(content=json.loads(document.content), shown=country.decimals_shown)
    decimals = country.decimals if decimals is None else decimals
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
    written = numbers.format_decimal(Decimal(text), format=pattern, locale=country.locale.replace("-", "_"))
    return f"{written} {document.currency}"


def masked(*, name: str) -> str:
    """Mask a name: "Ana Ruiz Pardo" is "A•• R••• P••••"."""
    return " ".join(word[0] + "•" * min(len(word) - 1, DOTS_MAX) for word in re.findall(r"\S+", name))


def tax_id_name(*, document: Document) -> str:
    """Return the name of the tax id that a link asks for: of the owner's own type, else of the country's default."""
    owner = json.loads(document.content)["owner"]
    country = pack.required(document.country_id)
    return str(owner.get("tax_id_name") or country.tax_ids[country.tax_id_default].name)
