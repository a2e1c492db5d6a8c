"""How mails and pages write what a document holds: title, days, moments, sizes, amounts, masked names, file names.

The language is the one in force (`django.utils.translation`), Spanish or English. Days and moments are in the time zone
of the document.
"""

import datetime as dt
import json
import re
import unicodedata
import zoneinfo
from decimal import Decimal
from email.utils import parseaddr

from babel import dates, numbers
from django.conf import settings
from django.utils import translation

from documents import catalog, money
from documents.countries import pack
from documents.models import Document, Issuer, Kind, Party
from documents.rendering import printout

LANGUAGES = ("es", "en")
FILE_WORD_MAX = 30
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


def weekday(*, date: dt.date) -> str:
    """Write "lunes 16 de febrero" or "Monday 16 February"."""
    english = language() == "en"
    pattern = "EEEE d MMMM" if english else "EEEE d 'de' MMMM"
    return dates.format_date(date, format=pattern, locale="en_GB" if english else "es")


def days(*, first: dt.date, last: dt.date) -> str:
    """Write "16 a 22 de febrero de 2026" as the language does, with a dash; of one day, that day."""
    if first == last:
        return day(date=first)
    written: str = dates.format_interval(first, last, "yMMMMd", locale="en_GB" if language() == "en" else "es")
    return written


def moment(*, when: dt.datetime, document: Document) -> str:
    """Write "domingo 29 de noviembre, 18:00 (Madrid)": weekday, local time and whose time it is."""
    zone, english = time_zone(document=document), language() == "en"
    pattern, locale = ("EEEE d MMMM, HH:mm", "en_GB") if english else ("EEEE d 'de' MMMM, HH:mm", "es")
    written = dates.format_datetime(when, format=pattern, tzinfo=zone, locale=locale)
    city: str = dates.get_timezone_location(zone, locale=locale, return_city=True)
    return f"{written} ({city.rpartition('/')[2]})"


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


def masked_email(*, address: str) -> str:
    """Mask an address: "ana@example.com" is "a••@e••••••.com"."""
    name, _, host = address.partition("@")
    place, _, top = host.rpartition(".")
    return "@".join(masked(name=part) for part in (name, place) if part) + (f".{top}" if top else "")


def support(*, issuer: Issuer | None = None) -> str:
    """Return the address where an issuer answers questions; the deployment's own where it has none."""
    return (issuer.support_email if issuer else "") or parseaddr(settings.DEFAULT_FROM_EMAIL)[1]


def tax_id_name(*, document: Document) -> str:
    """Return the name of the tax id that a link asks for: of the owner's own type, else of the country's default."""
    owner = json.loads(document.content)["owner"]
    country = pack.required(document.country_id)
    return str(owner.get("tax_id_name") or country.tax_ids[country.tax_id_default].name)


def file_name(*, document: Document) -> str:
    """Name a document's file, without its ending, so that a person finds it again: issuer, kind, days, number.

    "Aventide-liquidacion-2026-02-16_22-AMX-PS-2026-0000001": the same wherever it is saved, in plain ASCII.
    """
    issuer = next(iter(re.findall(r"[0-9A-Za-z]+", _ascii(document.issuer.legal_name))), document.issuer.slug)
    word = catalog.FILE_WORDS[Kind(document.kind)]
    return f"{issuer[:FILE_WORD_MAX]}-{word}-{_days(document=document)}-{document.number}"


def _days(*, document: Document) -> str:
    """Write the period of a payout, "2026-02-16_22" or "2026-02-23_03-01", or the day of any other document."""
    period = json.loads(document.content).get("period")
    if not period:
        return document.operation_date.isoformat()
    first, last = str(period["from"]), str(period["to"])
    same = 8 if first[:7] == last[:7] else 5 if first[:4] == last[:4] else 0  # up to the day, the month, the year
    return first if first == last else f"{first}_{last[same:]}"


def _ascii(text: str) -> str:
    """Return a text without its accents."""
    return "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
