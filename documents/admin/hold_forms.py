"""The forms with which a matter is set, and what they hand to `custody.legal_holds`."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from documents.admin import confirm, reasons, rights
from documents.custody import legal_holds
from documents.models import Country, Document, Kind, Party

REFERENCE_LENGTH_MAX = 80


class HoldForm(reasons.ReasonForm):
    """The reference of a matter and why it holds."""

    reference = forms.CharField(
        label=gettext_lazy("Asunto legal"),
        max_length=REFERENCE_LENGTH_MAX,
        strip=True,
        widget=forms.TextInput(attrs={"class": "dc-input", "autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy(
            "El número del expediente o del requerimiento. Con el mismo se amplía un asunto vigente."
        ),
    )
    hold_until = forms.DateField(
        label=gettext_lazy("Vigente hasta"),
        required=False,
        widget=forms.DateInput(attrs={"class": "dc-input", "type": "date"}),
        help_text=gettext_lazy("Último día en que protege. Vacío: hasta que dos personas lo retiren."),
    )
    field_order: Sequence[str] = ("reference", "hold_until", "reason")

    def clean_hold_until(self) -> dt.date | None:
        """Refuse a day that is over."""
        until: dt.date | None = self.cleaned_data["hold_until"]
        if until is not None and until < timezone.now().date():
            raise forms.ValidationError(_("Ese día ya ha pasado."))
        return until


class PartyHoldForm(HoldForm):
    """The same for a party: of which country, which days of issue and which kinds."""

    country = forms.ModelChoiceField(
        label=gettext_lazy("País"), queryset=Country.objects.none(), widget=forms.Select(attrs={"class": "dc-input"})
    )
    first_date = forms.DateField(
        label=gettext_lazy("Emitidos desde"),
        required=False,
        widget=forms.DateInput(attrs={"class": "dc-input", "type": "date"}),
        help_text=gettext_lazy("Vacío: desde siempre."),
    )
    last_date = forms.DateField(
        label=gettext_lazy("Emitidos hasta"),
        required=False,
        widget=forms.DateInput(attrs={"class": "dc-input", "type": "date"}),
        help_text=gettext_lazy("Vacío: también los que se emitan más adelante."),
    )
    kinds = forms.MultipleChoiceField(
        label=gettext_lazy("Tipos"),
        required=False,
        choices=Kind.choices,
        widget=forms.SelectMultiple(attrs={"class": "dc-input", "size": len(Kind)}),
        help_text=gettext_lazy("Ninguno elegido: todos."),
    )
    field_order: Sequence[str] = ("reference", "country", "first_date", "last_date", "kinds", "hold_until", "reason")

    def __init__(self, data: Any, *, countries: list[str]) -> None:
        super().__init__(data)
        cast("forms.ModelChoiceField[Country]", self.fields["country"]).queryset = Country.objects.filter(
            pk__in=countries
        )

    def clean(self) -> dict[str, Any]:
        """Refuse a period that ends before it begins."""
        cleaned: dict[str, Any] = super().clean() or {}
        first, last = cleaned.get("first_date"), cleaned.get("last_date")
        if isinstance(first, dt.date) and isinstance(last, dt.date) and last < first:
            self.add_error("last_date", _("El periodo acaba antes de empezar."))
        return cleaned


def hold_form(request: HttpRequest, _row: Model) -> forms.Form:
    """Return the form of a matter over one document."""
    return HoldForm(confirm.sent(request))


def party_form(request: HttpRequest, _row: Model) -> forms.Form:
    """Return the form of a matter over a party, for the caller's countries."""
    return PartyHoldForm(confirm.sent(request), countries=rights.countries(request=request))


def decider(made: confirm.Confirmed[Any]) -> legal_holds.Decider:
    """Return who has confirmed, why, and when."""
    return legal_holds.Decider(user=made.user, actor=made.actor, reason=made.reason, now=made.now)


def over_document(made: confirm.Confirmed[Document]) -> bool:
    """Hold the document of the page."""
    stated = made.form.cleaned_data
    return legal_holds.set_over_document(
        document=made.row, reference=stated["reference"], by=decider(made), until=stated["hold_until"]
    )


def over_party(made: confirm.Confirmed[Party]) -> bool:
    """Hold what the form says of the party of the page."""
    stated = made.form.cleaned_data
    covered = legal_holds.Covered(
        country=stated["country"],
        first_date=stated["first_date"],
        last_date=stated["last_date"],
        kinds=tuple(stated["kinds"]),
    )
    return legal_holds.set_over_party(
        party=made.row,
        reference=stated["reference"],
        covered=covered,
        by=decider(made),
        until=stated["hold_until"],
    )
