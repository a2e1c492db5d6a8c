"""What the role `admin` changes about an issuer: its name, address and mark, and another series in mid-year."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.actions import Action
from documents import catalog
from documents.admin import base, cells, confirm, reasons
from documents.emission import issuers, numbering
from documents.events import waiting
from documents.models import Event, FormerIssuer, Issuer, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.utils.functional import _StrPromise

DECIDES = "issuers"
STATED = ("legal_name", "address", "logo")
_INPUT = {"class": "dc-input", "autocomplete": "off"}


def _printed(text: str) -> None:
    """Refuse a text that no document prints as it stands."""
    try:
        issuers.checked_text(text=text)
    except ValueError as error:
        raise forms.ValidationError(_("Una línea de caracteres imprimibles.")) from error


def _text(*, label: "_StrPromise") -> forms.CharField:
    """Return the field of a text of an issuer. Only what the person has changed is changed: see `_change`."""
    widget = forms.TextInput(attrs=_INPUT)
    length_max = issuers.TEXT_LENGTH_MAX
    field = forms.CharField(label=label, max_length=length_max, widget=widget, show_hidden_initial=True)
    field.validators.append(_printed)
    return field


class IssuerForm(reasons.ReasonForm):
    """What is stated of an issuer, as it is now."""

    legal_name = _text(label=gettext_lazy("Razón social"))
    address = _text(label=gettext_lazy("Domicilio"))
    logo = forms.FileField(
        label=gettext_lazy("Logotipo"),
        required=False,
        help_text=gettext_lazy("PNG de hasta 200 kB; vacío, se queda el que hay."),
        widget=forms.FileInput(attrs={"class": "dc-input", "accept": "image/png"}),
    )
    field_order = ("legal_name", "address", "logo", "reason")

    def clean_logo(self) -> bytes | None:
        """Return the mark; None where none was sent."""
        sent = self.cleaned_data["logo"]
        if sent is None:
            return None
        try:
            return issuers.checked_logo(body=sent.read(issuers.LOGO_BYTES_MAX + 1))
        except ValueError as error:
            raise forms.ValidationError(_("No es un PNG de hasta 200 kB.")) from error


class SeriesForm(reasons.ReasonForm):
    """The next series of a kind in this year."""

    kind = forms.ChoiceField(
        label=gettext_lazy("Tipo"),
        choices=lambda: [(kind.value, f"{rules.code} · {kind.label}") for kind, rules in catalog.TABLE.items()],
        widget=forms.Select(attrs=_INPUT),
    )
    first = forms.IntegerField(
        label=gettext_lazy("Primero"),
        min_value=1,
        max_value=numbering.NUMBER_MAX,
        initial=1,
        widget=forms.NumberInput(attrs=_INPUT),
    )
    last = forms.IntegerField(
        label=gettext_lazy("Último autorizado"),
        required=False,
        min_value=1,
        max_value=numbering.NUMBER_MAX,
        widget=forms.NumberInput(attrs=_INPUT),
    )
    valid_from = forms.DateField(
        label=gettext_lazy("Válida desde"),
        required=False,
        help_text=gettext_lazy("Vacío, desde ahora."),
        widget=forms.DateInput(format="%Y-%m-%d", attrs={**_INPUT, "type": "date"}),
    )
    valid_until = forms.DateField(
        label=gettext_lazy("Válida hasta"),
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={**_INPUT, "type": "date"}),
    )
    authority_reference = forms.CharField(
        label=gettext_lazy("Referencia de la autoridad"),
        required=False,
        max_length=numbering.REFERENCE_LENGTH_MAX,
        widget=forms.TextInput(attrs=_INPUT),
    )
    field_order = ("kind", "first", "last", "valid_from", "valid_until", "authority_reference", "reason")

    def clean(self) -> dict[str, Any]:
        """Refuse a range or a time that ends before it begins."""
        stated = super().clean() or self.cleaned_data
        for begin, end in (("first", "last"), ("valid_from", "valid_until")):
            if stated.get(begin) and stated.get(end) and stated[end] < stated[begin]:
                self.add_error(end, _("Acaba antes de empezar."))
        return stated


def _issuer_form(request: HttpRequest, row: Issuer) -> forms.Form:
    """Return the form with what is stated now."""
    initial = {"legal_name": row.legal_name, "address": row.address}
    return IssuerForm(confirm.sent(request), request.FILES or None, initial=initial)


def _change(made: confirm.Confirmed[Issuer]) -> bool:
    """Change what the person has changed of an issuer: what another one has changed since the page was shown stays."""
    stated = {name: made.form.cleaned_data[name] for name in STATED if name in made.form.changed_data}
    return issuers.change(issuer=made.row, reason=made.reason, actor=made.actor, now=made.now, **stated)


def _open(made: confirm.Confirmed[Issuer]) -> str:
    """Open a series of the local year, and let what waited for numbers go on."""
    stated = dict(made.form.cleaned_data)
    facts = {name: stated[name] for name in ("first", "last", "valid_from", "valid_until", "authority_reference")}
    with transaction.atomic():
        missed = Event.objects.filter(code__in=waiting.SERIES_CODES, issuer_slug=made.row.slug)
        waiting.retry(held=missed, now=made.now)
        return numbering.open_another(
            issuer=made.row,
            kind=Kind(stated["kind"]),
            now=made.now,
            year=numbering.year_of(issuer=made.row, first_day=stated["valid_from"], now=made.now),
            actor=made.actor,
            reason=made.reason,
            **facts,
        )


# TABLE: what is asked about an issuer before the role `admin` changes it.
CONFIRMATIONS: "Mapping[str, confirm.Confirmation[Issuer]]" = {
    "change": confirm.Confirmation(
        title=gettext_lazy("Cambiar los datos del emisor"),
        text=gettext_lazy(
            "Vale para lo que se emita desde ahora. Lo ya emitido conserva lo que imprimió,"
            " y los datos de antes quedan."
        ),
        submit=gettext_lazy("Guardar los datos"),
        right=DECIDES,
        audit=Action.ISSUER_CHANGED,
        form=_issuer_form,
        act=_change,
        done=gettext_lazy("Datos del emisor cambiados."),
        not_now=gettext_lazy("No había nada que cambiar."),
        grave=True,
    ),
    "series": confirm.Confirmation(
        title=gettext_lazy("Abrir otra serie"),
        text=gettext_lazy(
            "Desde su primer día da los números de este tipo, y la serie anterior ya no da ninguno. No se deshace."
        ),
        submit=gettext_lazy("Abrir la serie"),
        right=DECIDES,
        audit=Action.SERIES_ADDED,
        form=lambda request, _row: SeriesForm(confirm.sent(request)),
        act=_open,
        done=gettext_lazy("Serie abierta: lo que esperaba números se emite."),
        grave=True,
    ),
}


def actions(row: Issuer) -> list[dict[str, Any]]:
    """Return the buttons of an issuer's page for the role `admin`."""
    return [{"url": f"{name}/", "label": asked.title} for name, asked in CONFIRMATIONS.items()]


def history(row: Issuer) -> base.Card:
    """Return what an issuer was before, the newest first."""
    former = FormerIssuer.objects.filter(issuer=row).order_by("-until_at", "-pk")
    return base.Card(
        title=gettext_lazy("Datos anteriores"),
        heads=(
            gettext_lazy("Hasta"),
            gettext_lazy("Razón social"),
            gettext_lazy("Domicilio"),
            gettext_lazy("Logotipo"),
        ),
        rows=[
            (cells.moment(each.until_at), each.legal_name, each.address, _("sí") if each.logo else _("no"))
            for each in former[:50]
        ],
        empty=gettext_lazy("No han cambiado nunca."),
        wide=True,
    )
