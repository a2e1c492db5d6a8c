"""Why a fact cannot be issued as it is, in words: one sentence for each code with which an event is held.

The words are for finance, in the reader's language; a payout that does not close has its own in `guesses`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from documents.countries import pack
from documents.models import Event

_CREDITED = re.compile(r"(-?[0-9]+) minor units(?: with tax (\S+))?, of (-?[0-9]+) that remain.*")


@dataclass(frozen=True, kw_only=True)
class Cause:
    """A held event, and the first of its faults that has a place."""

    event: Event
    payload: Mapping[str, Any]  # the event's body, as it came
    pointer: str
    detail: str

    @property
    def value(self) -> str:
        """Return what stands at the place."""
        found = _at(self.payload, self.pointer)
        return str(found) if isinstance(found, str) else ""

    @property
    def words(self) -> dict[str, str]:
        """Return what any sentence may name."""
        country = pack.for_country(self.event.country_code)
        return {
            "value": self.value,
            "place": self.pointer,
            "country": self.event.country_code,
            "currency": country.currency if country else "",
        }


def sentence(*, cause: Cause) -> str:
    """Say why the event is held; of a code without words of its own, where to look."""
    say = _SENTENCES.get(cause.event.code)
    return say(cause) if say else _("Mira %(place)s.") % cause.words if cause.pointer else ""


def credited(*, detail: str) -> tuple[int, int] | None:
    """Return how much a credit asks for and how much was left, in minor units; None of others."""
    found = _CREDITED.fullmatch(detail)
    return (int(found[1]), int(found[3])) if found else None


def _at(payload: object, pointer: str) -> object:
    """Return what stands at an RFC 6901 pointer; None where nothing does."""
    found = payload
    for step in pointer.split("/")[1:]:
        if isinstance(found, dict):
            found = found.get(step)
        elif isinstance(found, list) and step.isdecimal() and int(step) < len(found):
            found = found[int(step)]
        else:
            return None
    return found


def _whose_tax_id(cause: Cause) -> str:
    party = _at(cause.payload, cause.pointer.rpartition("/")[0])
    who = str(party.get("id", "")) if isinstance(party, dict) else ""
    return _("El identificador fiscal de %(who)s no es válido en %(country)s (%(place)s).") % {
        **cause.words,
        "who": who,
    }


def _period(cause: Cause) -> str:
    period = _at(cause.payload, "/data/period")
    days = period if isinstance(period, dict) else {}
    return _("El periodo empieza el %(first)s y termina antes, el %(last)s.") % {
        "first": days.get("from", ""),
        "last": days.get("to", ""),
    }


def _credit(cause: Cause) -> str:
    found = _CREDITED.fullmatch(cause.detail)
    if found is None:
        return _("El documento original no tiene esas partidas, o el abono cobraría en vez de devolver.")
    if found[2] and found[2] != "none":
        return _("Abona más de lo que queda con %(tax)s en el documento original.") % {"tax": found[2]}
    return _("Abona más de lo que queda del documento original.")


# TABLE: code of a held event -> its sentence.
_SENTENCES: Mapping[str, Callable[[Cause], str]] = {
    "tax_code_unknown": lambda cause: (
        _("«%(value)s» no es un código de impuesto de %(country)s (%(place)s).") % cause.words
    ),
    "tax_rate_not_in_force": lambda cause: (
        _("«%(value)s» no está en vigor en la fecha de la operación (%(place)s).") % cause.words
    ),
    "tax_id_invalid": _whose_tax_id,
    "currency_unsupported": lambda cause: (
        _("Viene en %(value)s: no es la moneda de %(country)s, %(currency)s.") % cause.words
    ),
    "country_unsupported": lambda cause: (
        _("El país %(country)s no se emite aquí, o no es el del documento original.") % cause.words
    ),
    "issuer_unknown": lambda cause: (
        _("«%(value)s» no es un emisor de %(country)s, o no el del documento original.") % cause.words
    ),
    "period_invalid": _period,
    "credit_exceeds_remaining": _credit,
    "payee_mismatch": lambda _cause: _("El pago se envió a otro beneficiario."),
    "party_unknown": lambda _cause: _("El pedido no tiene comercio, y el ajuste trae líneas suyas."),
    "validation_error": lambda _cause: _("La suma de las líneas pasa del importe máximo."),
    "internal_error": lambda _cause: _(
        "Falló la emisión por un defecto del servicio: se reintenta sola, y el equipo técnico está avisado."
    ),
}
