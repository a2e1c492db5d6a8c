"""The forms by which the role `admin` gives and withdraws access."""

import datetime as dt
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from guardian.models import UserObjectPermission

from documents import formatting
from documents.access import grants, people, roles
from documents.access.grants import Thing
from documents.admin import confirm, reasons
from documents.models import Country, Document, Grant, Party, Person

PARTIES_MAX = 200
_INPUT, _PLAIN = {"class": "dc-input"}, {"class": "dc-input", "autocomplete": "off", "spellcheck": "false"}
ROLES = [
    (roles.Role.SUPPORT.value, gettext_lazy("Soporte")),
    (roles.Role.FINANCE.value, gettext_lazy("Finanzas")),
    (roles.Role.COMPLIANCE.value, gettext_lazy("Cumplimiento")),
    (roles.Role.AUDITOR.value, gettext_lazy("Auditoría")),
    (roles.Role.ADMIN.value, gettext_lazy("Administración")),
    (roles.Role.DRIVER.value, gettext_lazy("Conductor")),
    (roles.Role.PARTNER.value, gettext_lazy("Socio (restaurante o flota)")),
]


def until_at(day: dt.date | None) -> dt.datetime | None:
    """Return the end of a day (UTC) as a moment."""
    return None if day is None else people.end_of(day=day)


class UntilField(forms.DateField):
    """The last day of something: today or later."""

    def __init__(self, **options: Any) -> None:
        widget = forms.DateInput(format="%Y-%m-%d", attrs={**_INPUT, "type": "date"})
        super().__init__(label=gettext_lazy("Hasta el día, incluido"), widget=widget, **options)

    def clean(self, value: Any) -> dt.date | None:
        """Refuse a day that is over.

        :raises forms.ValidationError: it is, or no day at all
        """
        day: dt.date | None = super().clean(value)
        if day is not None and not timezone.now().date() <= day < dt.date.max:
            raise forms.ValidationError(_("Ese día ya ha pasado."))
        return day


class PartiesField(forms.CharField):
    """Parties by the platform's ids: a fleet with its drivers is a list."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            label=gettext_lazy("Titulares"),
            widget=forms.Textarea(attrs={**_PLAIN, "rows": 3}),
            help_text=gettext_lazy("Sus ids de la plataforma, separados por espacios o líneas."),
            **options,
        )

    def clean(self, value: Any) -> list[Party]:
        """Return the parties.

        :raises forms.ValidationError: one is unknown, or there are too many
        """
        names = set(re.split(r"[\s,;]+", super().clean(value).strip())) - {""}
        if len(names) > PARTIES_MAX:
            raise forms.ValidationError(_("Como mucho %(max)s de una vez."), params={"max": PARTIES_MAX})
        known = list(Party.objects.filter(platform_id__in=names).order_by("pk"))
        unknown = sorted(names - {party.platform_id for party in known})
        if unknown:
            raise forms.ValidationError(_("No existen: %(names)s"), params={"names": ", ".join(unknown[:5])})
        return known


def roles_field() -> forms.MultipleChoiceField:
    """Return the field of roles."""
    widget = forms.SelectMultiple(attrs={**_INPUT, "size": len(ROLES)})
    return forms.MultipleChoiceField(label=gettext_lazy("Funciones"), required=False, choices=ROLES, widget=widget)


def countries_field() -> "forms.ModelMultipleChoiceField[Country]":
    """Return the field of countries."""
    return forms.ModelMultipleChoiceField(
        label=gettext_lazy("Países"),
        required=False,
        queryset=Country.objects.all(),
        widget=forms.SelectMultiple(attrs={**_INPUT, "size": 6}),
        help_text=gettext_lazy("Los que ve el personal; quien es titular no necesita ninguno."),
    )


class InviteForm(forms.Form):
    """A person who is invited: login, address, and what she may do from the start."""

    login = forms.SlugField(
        label=gettext_lazy("Usuario"),
        max_length=150,
        widget=forms.TextInput(attrs={**_PLAIN, "autocapitalize": "none"}),
    )
    email = forms.EmailField(label=gettext_lazy("Correo"), widget=forms.EmailInput(attrs=_PLAIN))
    locale = forms.ChoiceField(
        label=gettext_lazy("Idioma"),
        choices=[(code, code) for code in formatting.LANGUAGES],
        widget=forms.Select(attrs=_INPUT),
    )
    names, countries = roles_field(), countries_field()
    parties = PartiesField(required=False)
    until = UntilField(required=False)

    def clean_login(self) -> str:
        """Refuse a login that somebody has.

        :raises forms.ValidationError: somebody has it
        """
        login = str(self.cleaned_data["login"]).lower()
        if User.objects.filter(username__iexact=login).exists():
            raise forms.ValidationError(_("Ese usuario ya existe."))
        return login


class RolesForm(reasons.ReasonForm):
    """All roles of a person."""

    names = roles_field()
    field_order: Sequence[str] = ("names", "reason")


class CountriesForm(reasons.ReasonForm):
    """All countries that a person sees."""

    countries = countries_field()
    field_order: Sequence[str] = ("countries", "reason")


class PartiesForm(reasons.ReasonForm):
    """Parties that a person acts for until a day, or is."""

    parties = PartiesField()
    until = UntilField(
        required=False, help_text=gettext_lazy("Vacío: es el propio titular, sin fin. Con fecha: actúa por él.")
    )
    field_order: Sequence[str] = ("parties", "until", "reason")


class DocumentForm(reasons.ReasonForm):
    """One document that a person may read until a day."""

    document = forms.CharField(
        label=gettext_lazy("Documento"),
        max_length=40,
        widget=forms.TextInput(attrs=_PLAIN),
        help_text=gettext_lazy("Su número o su id doc_…"),
    )
    until = UntilField()
    field_order: Sequence[str] = ("document", "until", "reason")

    def clean_document(self) -> Thing:
        """Return the document's ids, without reading it: who lends it need not see it.

        :raises forms.ValidationError: there is none
        """
        stated = str(self.cleaned_data["document"]).strip()
        column = "public_id" if stated.startswith("doc_") else "number"
        ids = Document.objects.filter(**{column: stated}).values_list("pk", "public_id").first()
        if ids is None:
            raise forms.ValidationError(_("No hay ningún documento con ese número o id."))
        return Thing(kind="document", pk=ids[0], public_id=ids[1])


class UntilForm(reasons.ReasonForm):
    """The last day of a person's access."""

    until = UntilField(required=False, help_text=gettext_lazy("Vacío: sin fin."))
    field_order: Sequence[str] = ("until", "reason")


class WithdrawForm(reasons.ReasonForm):
    """What is withdrawn of the parties and documents of a person."""

    things = forms.MultipleChoiceField(
        label=gettext_lazy("Qué se retira"), widget=forms.SelectMultiple(attrs={**_INPUT, "size": 8})
    )
    field_order: Sequence[str] = ("things", "reason")

    def __init__(self, data: Any, *, person: Person) -> None:
        super().__init__(data)
        others = [
            (each.public_id, _("%(name)s, hasta %(until)s") % {"name": each.name, "until": _moment(each.expires_at)})
            for each in lent(person=person)
        ]
        own = [
            (party.public_id, _("%(name)s, sin fin") % {"name": party.platform_id}) for party in owned(person=person)
        ]
        cast("forms.MultipleChoiceField", self.fields["things"]).choices = [*own, *others]


def _moment(when: dt.datetime) -> str:
    """Write a moment in a list that holds no markup."""
    return f"{when:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True, kw_only=True)
class LentThing:
    """What a person was lent: its id, a party's or a document's name, and until when."""

    public_id: str
    name: str
    is_party: bool
    expires_at: dt.datetime


def lent(*, person: Person) -> list[LentThing]:
    """Return what a person has been lent and not been taken away; no document is read."""
    columns = ("public_id", "party__platform_id", "document__number", "expires_at")
    rows = Grant.objects.filter(user=person.pk, withdrawn_at=None).order_by("expires_at", "pk").values_list(*columns)
    return [
        LentThing(public_id=public_id, name=party or number, is_party=bool(party), expires_at=expires_at)
        for public_id, party, number, expires_at in rows[:PARTIES_MAX]
    ]


def owned(*, person: Person) -> list[Party]:
    """Return the parties that a person is."""
    mine = UserObjectPermission.objects.filter(user=person.pk, permission__codename=grants.RIGHTS[Party])
    ids = [int(pk) for pk in mine.values_list("object_pk", flat=True)]
    return list(Party.objects.filter(pk__in=ids).order_by("platform_id")[:PARTIES_MAX])


def form_of(form: type[forms.Form]) -> Callable[[HttpRequest, Person], forms.Form]:
    """Return what makes the form of a page."""
    return lambda request, _row: form(confirm.sent(request))


def roles_form(request: HttpRequest, row: Person) -> forms.Form:
    """Return the form of the roles, with those that the person has."""
    return RolesForm(confirm.sent(request), initial={"names": list(row.user.groups.values_list("name", flat=True))})


def countries_form(request: HttpRequest, row: Person) -> forms.Form:
    """Return the form of the countries, with those that the person sees."""
    return CountriesForm(confirm.sent(request), initial={"countries": seen(person=row)})


def until_form(request: HttpRequest, row: Person) -> forms.Form:
    """Return the form of the last day, with the one that is set."""
    last = row.access_until_at and (row.access_until_at - dt.timedelta(days=1)).date()
    return UntilForm(confirm.sent(request), initial={"until": last})


def withdraw_form(request: HttpRequest, row: Person) -> forms.Form:
    """Return the form of what can be withdrawn."""
    return WithdrawForm(confirm.sent(request), person=row)


def seen(*, person: Person) -> list[str]:
    """Return the codes of the countries that a person sees as staff."""
    mine = UserObjectPermission.objects.filter(user=person.pk, permission__codename=grants.RIGHTS[Country])
    return sorted(mine.values_list("object_pk", flat=True))
