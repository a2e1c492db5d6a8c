"""The forms of finance: to dismiss an event, and to credit a document, in whole or in part."""

import re
from collections.abc import Sequence
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from documents import errors, identifiers, money
from documents.admin import cells, reasons
from documents.models import Document
from payouts.issuing.credit_notes import CreditedAmount
from payouts.review.corrections import CreditableGroup

_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,4})?", flags=re.ASCII)


class DismissForm(reasons.ReasonForm):
    """Why an event is dismissed, and the document that records the same fact already, where there is one."""

    document = forms.CharField(
        label=gettext_lazy("Documento que lo resuelve"),
        required=False,
        max_length=60,
        strip=True,
        widget=forms.TextInput(attrs={"class": "dc-input", "autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy("Opcional: su número, si otro documento ya recoge este hecho."),
    )
    field_order = ("reason", "document")

    def __init__(self, data: Any, *, documents: QuerySet[Document]) -> None:
        super().__init__(data)
        self.documents = documents

    def clean_document(self) -> Document | None:
        """Return the document with that number; one outside of the caller's scope counts as unknown."""
        number = self.cleaned_data["document"].upper()
        document = self.documents.filter(number=number).first() if number else None
        if number and document is None:
            raise forms.ValidationError(_("No hay ningún documento con ese número en tus países."))
        return document


class CorrectionForm(reasons.ReasonForm):
    """What to credit of a document. The hidden id is made once for each page, so a form sent twice credits once."""

    correction = forms.CharField(widget=forms.HiddenInput, max_length=30)
    extent = forms.ChoiceField(
        label=gettext_lazy("Qué se abona"),
        choices=[
            ("", gettext_lazy("Elige…")),
            ("all", gettext_lazy("Todo lo que queda")),
            ("gross", gettext_lazy("Un importe total, con impuestos")),
            ("part", gettext_lazy("Solo los importes que indico abajo, por impuesto")),
        ],
        widget=forms.Select(attrs={"class": "dc-input"}),
    )
    gross = forms.CharField(
        label=gettext_lazy("Importe total, con impuestos"),
        required=False,
        max_length=20,
        strip=True,
        widget=forms.TextInput(attrs={"class": "dc-input", "inputmode": "decimal", "autocomplete": "off"}),
    )
    field_order = ("correction", "extent", "gross")

    def __init__(self, data: Any, *, remaining: Sequence[CreditableGroup], currency: str) -> None:
        super().__init__(data, initial={"correction": identifiers.new(prefix="cor")})
        self.remaining, self.digits = remaining, money.digits(currency)
        whole = cells.amount_text(minor=sum(group.gross_minor for group in remaining), currency=currency)
        self.fields["gross"].help_text = _("Se reparte entre lo que queda de cada impuesto. Quedan %(amount)s.") % {
            "amount": whole
        }
        for place, group in enumerate(remaining):
            self.fields[f"amount_{place}"] = forms.CharField(
                label=_("Importe: %(what)s") % {"what": group_label(group)},
                required=False,
                max_length=20,
                strip=True,
                widget=forms.TextInput(attrs={"class": "dc-input", "inputmode": "decimal", "autocomplete": "off"}),
                help_text=_remain(group) % {"amount": cells.amount_text(minor=group.amount_minor, currency=currency)},
            )
        amounts = [f"amount_{place}" for place in range(len(remaining))]
        self.order_fields(["correction", "extent", "gross", *amounts, "reason"])

    def clean(self) -> dict[str, Any]:
        """Read the amounts, and refuse a part without any, and amounts that the extent does not ask for."""
        cleaned: dict[str, Any] = super().clean() or {}
        signs = [-1 if group.amount_minor < 0 else 1 for group in self.remaining]
        self.minors = [self._minor(name=f"amount_{place}") * sign for place, sign in enumerate(signs)]
        self.gross_minor = self._minor(name="gross") or None
        extent = cleaned.get("extent")
        if extent == "part" and not self.errors and not any(self.minors):
            self.add_error("amount_0", _("Indica al menos un importe."))
        if extent == "gross" and not self.errors and not self.gross_minor:
            self.add_error("gross", _("Indica el importe total."))
        if extent == "all" and (any(self.minors) or self.gross_minor):
            self.add_error("extent", _("Con «todo lo que queda» no indiques importes."))
        if (extent == "gross" and any(self.minors)) or (extent == "part" and self.gross_minor):
            self.add_error("extent", _("Indica el importe total o los importes por impuesto, no ambos."))
        return cleaned

    def _minor(self, *, name: str) -> int:
        """Read one amount, written with a point or a comma."""
        text = (self.cleaned_data.get(name) or "").replace(",", ".")
        if not text:
            return 0
        try:
            minor = money.minor(text, self.digits) if _AMOUNT.fullmatch(text) else None
        except errors.Problem:
            minor = None
        if minor is None:
            self.add_error(name, _("Un importe como 12,50, sin separador de miles."))
            return 0
        return minor

    def parts(self) -> list[CreditedAmount] | None:
        """Return what to credit of each group; None for a gross, and for all that remains."""
        if self.cleaned_data["extent"] != "part":
            return None
        return [
            CreditedAmount(tax=group.tax, amount_minor=minor, supply=group.supply)
            for group, minor in zip(self.remaining, self.minors, strict=True)
            if minor
        ]


def _remain(group: CreditableGroup) -> str:
    """Say what remains of a group, and whether its amounts are without tax, as in the document."""
    if group.amount_minor == group.gross_minor:
        return _("Quedan %(amount)s.")
    return _("Quedan %(amount)s, sin impuestos.")


def group_label(group: CreditableGroup) -> str:
    """Return the label of a tax group in the form."""
    tax = group.tax or _("sin impuesto")
    return _("comisiones de la plataforma, %(tax)s") % {"tax": tax} if group.supply == "platform" else tax
