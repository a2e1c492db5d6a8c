"""Cells: how the Document Center shows amounts, moments, states and masked data. All HTML comes from `format_html`."""

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, TypedDict

from babel import dates, numbers
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from documents import money
from documents.countries import pack
from documents.models import DeliveryStatus, EventStatus, HoldState, PayoutStatus, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import Model
    from django.utils.functional import _StrPromise
    from django.utils.safestring import SafeString


NOTHING = "—"
DOT = "•"

# TABLE: state -> tone, icon, text. Icon and text both name the state: never the colour alone.
STATES: "Mapping[str, tuple[str, str, _StrPromise]]" = {
    Status.ISSUED: ("info", "◌", gettext_lazy("Emitido")),
    Status.LOCKED: ("good", "✓", gettext_lazy("Resguardado")),
    Status.QUARANTINED: ("bad", "!", gettext_lazy("En cuarentena")),
    Status.DISPOSED: ("calm", "▫", gettext_lazy("Eliminado tras su plazo")),
    "STUCK": ("warn", "!", gettext_lazy("Atascado")),
    PayoutStatus.PENDING: ("warn", "◷", gettext_lazy("Pendiente")),
    PayoutStatus.SENT: ("good", "✓", gettext_lazy("Enviado")),
    EventStatus.PROCESSED: ("good", "✓", gettext_lazy("Procesado")),
    EventStatus.PARKED: ("info", "◷", gettext_lazy("En espera")),
    EventStatus.HELD: ("warn", "!", gettext_lazy("Retenido")),
    EventStatus.IGNORED: ("calm", "▫", gettext_lazy("Ignorado")),
    EventStatus.REFUSED: ("bad", "✕", gettext_lazy("Rechazado")),
    DeliveryStatus.QUEUED: ("info", "◌", gettext_lazy("En cola")),
    DeliveryStatus.BOUNCED: ("bad", "✕", gettext_lazy("Rebotado")),
    DeliveryStatus.OPENED: ("good", "◉", gettext_lazy("Abierto")),
    DeliveryStatus.DOWNLOADED: ("good", "↓", gettext_lazy("Descargado")),
    DeliveryStatus.NOT_WANTED: ("calm", "▫", gettext_lazy("No procede")),
    "FAILED": ("bad", "✕", gettext_lazy("Fallido")),
    "RETURNED": ("warn", "↩", gettext_lazy("Devuelto")),
    "CANCELED": ("warn", "↩", gettext_lazy("Cancelado")),
    "CLOSED": ("calm", "▪", gettext_lazy("Cerrado sin pago")),
    "ACTIVE": ("good", "✓", gettext_lazy("Activo")),
    "EXPIRED": ("calm", "◷", gettext_lazy("Caducado")),
    "REVOKED": ("bad", "✕", gettext_lazy("Anulado")),
    "EXHAUSTED": ("calm", "▪", gettext_lazy("Agotado")),
    "OPEN": ("warn", "!", gettext_lazy("Abierta")),
    "ISSUING": ("good", "✓", gettext_lazy("Emite")),
    "PAUSED": ("bad", "‖", gettext_lazy("En pausa")),
    "RESUMING": ("info", "◌", gettext_lazy("Emite lo que esperaba")),
    HoldState.SET: ("warn", "⚖", gettext_lazy("Vigente")),
    HoldState.RELEASE_REQUESTED: ("info", "◷", gettext_lazy("Retirada propuesta")),
    HoldState.RELEASED: ("calm", "▪", gettext_lazy("Retirado")),
    HoldState.ENDED: ("calm", "◷", gettext_lazy("Vencido")),
    "ADMITTED": ("good", "✓", gettext_lazy("Con acceso")),
    "INVITED": ("info", "◷", gettext_lazy("Sin contraseña aún")),
    "SUSPENDED": ("bad", "■", gettext_lazy("Suspendida")),
    "ACCESS_ENDED": ("warn", "▪", gettext_lazy("Acceso terminado")),
    "OPENS": ("good", "✓", gettext_lazy("Abre")),
    "KEY_REVOKED": ("bad", "■", gettext_lazy("Revocada")),
    "KEY_ENDED": ("warn", "▪", gettext_lazy("Caducada")),
    "READING": ("info", "◌", gettext_lazy("En curso")),
    "SOUND": ("good", "✓", gettext_lazy("Sin hallazgos")),
    "FOUND": ("bad", "▲", gettext_lazy("Con hallazgos")),
    "ACKNOWLEDGED": ("info", "◉", gettext_lazy("Reconocida")),
    "RESOLVED": ("good", "✓", gettext_lazy("Resuelta")),
    "P1": ("bad", "▲", gettext_lazy("P1")),
    "P2": ("warn", "▲", gettext_lazy("P2")),
    "ok": ("good", "●", gettext_lazy("Correcto")),
    "denied": ("bad", "■", gettext_lazy("Denegado")),
    "failed": ("warn", "▲", gettext_lazy("Fallido")),
}


class Masked(TypedDict):
    """What a list adds to a row with personal data: whether it is masked for the caller."""

    masked: bool


class Marked(Masked):
    """What the list of documents adds besides: whether a matter holds the document."""

    on_hold: bool


def locale() -> str:
    """Return the language in which numbers and dates are written."""
    return "en" if (translation.get_language() or "es").startswith("en") else "es"


def amount_text(*, minor: int | None, currency: str) -> str:
    """Write an amount as people read it: "1.234,56 EUR"; the ISO code, since many say "$"."""
    if minor is None:
        return NOTHING
    digits = money.digits(currency)
    pattern = "#,##0." + "0" * digits if digits else "#,##0"
    written = numbers.format_decimal(Decimal(minor).scaleb(-digits), format=pattern, locale=locale())
    return f"{written} {currency}"


def amount_of_text(*, text: str, currency: str) -> "SafeString":
    """Write an amount of the frozen content ("22.00") for a column."""
    return amount(minor=money.minor(text, money.digits(currency)), currency=currency)


def amount(*, minor: int | None, currency: str) -> "SafeString":
    """Write an amount for a column: right aligned, tabular figures, never broken over two lines."""
    return format_html('<span class="dc-amount">{}</span>', amount_text(minor=minor, currency=currency))


def moment(when: dt.datetime | None, *, seconds: bool = False) -> "SafeString | str":
    """Write a moment in short ("20 nov 2026 12:00"), with the exact one in its title."""
    if when is None:
        return NOTHING
    local = timezone.localtime(when)
    clock = f"{local:%H:%M:%S}" if seconds else f"{local:%H:%M}"
    written = f"{dates.format_date(local.date(), format='d MMM y', locale=locale())} {clock}"
    exact = local.strftime("%Y-%m-%dT%H:%M:%S%z")
    return format_html(
        '<time datetime="{}" title="{}" class="dc-nowrap">{}</time>', exact, f"{local:%Y-%m-%d %H:%M:%S} UTC", written
    )


def day(value: dt.date | None) -> str:
    """Write a legal day: "20 nov 2026"."""
    return NOTHING if value is None else dates.format_date(value, format="d MMM y", locale=locale())


def country(code: str) -> str:
    """Write a country's code and its name in the caller's language."""
    name = pack.required(code).name
    return f"{code} {name.en if locale() == 'en' else name.es}"


def sentence(text: object) -> "SafeString":
    """Write a sentence into a table, wide enough to be read on a phone."""
    return format_html('<span class="dc-sentence">{}</span>', text)


def since(when: dt.datetime | None, *, now: dt.datetime) -> str:
    """Write how long ago a moment was: "hace 6 horas"."""
    if when is None:
        return NOTHING
    return str(dates.format_timedelta(when - now, add_direction=True, locale=locale()))


def state(name: str | None, *, text: str = "") -> "SafeString":
    """Write a state as icon and text in its tone; an unknown state is written as it is."""
    if not name:
        return format_html('<span class="dc-quiet" title="{}">{}</span>', _("No aplica"), NOTHING)
    tone, icon, label = STATES.get(name, ("calm", "·", name))
    return format_html(
        '<span class="dc-state dc-{}"><span class="dc-icon" aria-hidden="true">{}</span>{}</span>',
        tone,
        icon,
        text or label,
    )


def count(number: int) -> "SafeString":
    """Write a count that should be 0: any other stands out."""
    tone = "calm" if number == 0 else "bad"
    return format_html('<span class="dc-state dc-{}">{}</span>', tone, numbers.format_decimal(number, locale=locale()))


def mono(value: object, *, short: int = 0) -> "SafeString | str":
    """Write an id or a digest in a fixed-width face; with `short` only its first characters, and all in the title."""
    text = str(value or "")
    if not text:
        return NOTHING
    if short and len(text) > short:
        return format_html('<span class="dc-mono" title="{}">{}…</span>', text, text[:short])
    return format_html('<span class="dc-mono">{}</span>', text)


def mask_name(name: str) -> str:
    """Mask a name but for the first letter of each word: "Ana García" is "A•• G•••••"."""
    return " ".join(word[:1] + DOT * min(max(len(word) - 1, 2), 6) for word in name.split())


def mask_end(value: str, *, shown: int = 3) -> str:
    """Mask an identification but for its last characters: "12345678Z" is "••••••78Z"."""
    return value if not value else DOT * max(len(value) - shown, 4) + (value[-shown:] if len(value) > 2 * shown else "")


def flags(codes: Iterable[str]) -> str:
    """Say what a document's flags mean; the code of one without words."""
    meanings = {
        "cash_differs": _("el efectivo descontado no es el que declaran los pedidos"),
        "cash_undeclared": _("ningún pedido declara el efectivo descontado"),
        "glyph_substituted": _("un carácter del texto no está en la tipografía"),
        "reconciliation_difference": _("emitido con una diferencia en conciliación"),
        "rounded_at_close": _("se llevó el impuesto que quedaba: difiere del indicado por el redondeo"),
        "tax_id_unverified": _("identificación sin verificar: su tipo no tiene dígito de control"),
        "tax_id_warning": _("el dígito de control de la identificación no corresponde"),
        "withheld_twice": _("una retención fiscal de sus pedidos se retiene otra vez"),
        "withholding_declared": _("retención fiscal declarada, sin comprobar"),
    }
    return "; ".join(meanings.get(code, code) for code in codes)


def mask_email(value: str) -> str:
    """Mask an address but for the first letters of name and domain: "ana@x.example" is "a•••@x•••"."""
    name, separator, domain = value.partition("@")
    return f"{name[:1]}{DOT * 3}@{domain[:1]}{DOT * 3}" if separator else mask_end(value)


def page(row: "Model") -> str:
    """Return the address of a row's page in the Document Center."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[key(row)])


def key(row: "Model") -> str:
    """Return what names a row to people and in the log: its public id, where it has one."""
    return str(getattr(row, "public_id", None) or row.pk)


def link(row: "Model | None", *, text: str = "", mono_face: bool = False) -> "SafeString | str":
    """Write a link to a row's page, or a dash."""
    if row is None:
        return NOTHING
    return format_html(
        '<a class="dc-link{}" href="{}">{}</a>', " dc-mono" if mono_face else "", page(row), text or str(row)
    )
