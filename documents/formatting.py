"""How mails and pages say a document's facts: titles, days, moments, sizes, amounts, masked names. Spanish or English.

The language is the one in force (`django.utils.translation`); days and moments are those of the document's own place.
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
    found = (translation.get_language() or "")[:2]
    return found if found in LANGUAGES else LANGUAGES[0]


def of_party(*, party: Party) -> str:
    """Return the language in which a person is written to: Spanish unless it is English."""
    return language_of(locale=party.locale)


def language_of(*, locale: str) -> str:
    """Return the one of LANGUAGES that is meant by a locale such as `en-GB`."""
    wanted = locale[:2].lower()
    return wanted if wanted in LANGUAGES else LANGUAGES[0]


def title(*, document: Document) -> str:
    """Return what the document's country calls its kind."""
    words = pack.required(document.country_id).title(kind=document.kind)
    return words.en if language() == "en" else words.es


def time_zone(*, document: Document) -> zoneinfo.ZoneInfo:
    """Return the legal time zone that is frozen in the document."""
    return zoneinfo.ZoneInfo(json.loads(document.content)["time_zone"])


def day(*, date: dt.date) -> str:
    """Write "21 de febrero de 2026" or "21 February 2026"."""
    return dates.format_date(date, format="long", locale="en_GB" if language() == "en" else "es")


def moment(*, at: dt.datetime, document: Document) -> str:
    """Write "domingo 29 de noviembre, 18:00 (Madrid)": weekday, local time and whose time it is."""
    zone = time_zone(document=document)
    pattern = "EEEE d MMMM, HH:mm" if language() == "en" else "EEEE d 'de' MMMM, HH:mm"
    words = dates.format_datetime(at, format=pattern, tzinfo=zone, locale="en_GB" if language() == "en" else "es")
    return f"{words} ({zone.key.rpartition('/')[2].replace('_', ' ')})"


def clock(*, at: dt.datetime, document: Document) -> str:
    """Write "18:40" of the document's place."""
    return at.astimezone(time_zone(document=document)).strftime("%H:%M")


def size(*, octets: int) -> str:
    """Write a file's size: "86 KB", "1,2 MB"."""
    if octets < KILO * KILO:
        return f"{max(1, round(octets / KILO))}\N{NO-BREAK SPACE}KB"
    return f"{numbers.format_decimal(round(Decimal(octets) / KILO / KILO, 1), locale=language())}\N{NO-BREAK SPACE}MB"


def amount(*, document: Document) -> str:
    """Write the document's total as its country does, with the ISO code: "1.234,50 EUR"."""
    country = pack.required(document.country_id)
    text = money.text(document.total_minor, money.digits(document.currency))
    # As many as the PDF shows.
    decimals = printout.decimals(content=json.loads(document.content), shown=country.decimals_shown)
    decimals = country.decimals if decimals is None else decimals
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
    written = numbers.format_decimal(Decimal(text), format=pattern, locale=country.locale.replace("-", "_"))
    return f"{written} {document.currency}"


def masked(*, name: str) -> str:
    """Hide a name from whoever does not know it: "Ana Ruiz Pardo" is "A•• R••• P••••"."""
    return " ".join(word[0] + "•" * min(len(word) - 1, DOTS_MAX) for word in re.findall(r"\S+", name))


def tax_id_name(*, document: Document) -> str:
    """Return the name of the id that a link asks for: the owner's own type, else the country's."""
    facts = json.loads(document.content)["owner"]
    country = pack.required(document.country_id)
    return str(facts.get("tax_id_name") or country.tax_ids[country.tax_id_default].name)
