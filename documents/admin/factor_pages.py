"""The second factors of who is signed in: an app or a key is enrolled, a key is named, one of several is removed."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import segno
from allauth.mfa.models import Authenticator
from django import forms
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.actions import Action
from documents import errors
from documents.access import actors, attempts, factors, ownership, security_keys
from documents.access.admission import Admitted, Ownership, Recorded, Unrecorded, Visit
from documents.admin import cells, entrance, key_questions, rights, theme
from documents.sentences import writing

MAKING, NAME_LENGTH_MAX = "factor_secret", 40


class NameForm(forms.Form):
    """The name that a person gives a key."""

    name = forms.CharField(
        label=gettext_lazy("Nombre de la llave"),
        max_length=NAME_LENGTH_MAX,
        help_text=gettext_lazy("Para distinguirla de otras: «llavero azul», «portátil»."),
        widget=forms.TextInput(attrs={"class": "dc-input", "autocomplete": "off"}),
    )


def listed(site: theme.UnfoldAdminSite, request: HttpRequest) -> HttpResponse:
    """Show the factors of who asks, and what may be done with each."""
    rows = factors.of(user=rights.person(request=request))
    page = entrance.DoorPage(
        title=_("Tu segundo paso"),
        text=_("Con uno de estos confirmas quién eres al entrar. Ten dos: si pierdes uno, entras con el otro."),
        submit="",
        extra={
            "factors": [_line(row=row, is_last=len(rows) == 1) for row in rows],
            "adds": _addable(rows=rows),
            "back": reverse("admin:index"),
        },
    )
    return entrance.show(site, request, page=page)


def _line(*, row: Authenticator, is_last: bool) -> dict[str, object]:
    """Return what the list says of a factor."""
    is_key = row.type == factors.KEY
    return {
        "name": row.data["name"] if is_key else _("Aplicación de códigos"),
        "kind": _("llave de seguridad") if is_key else _("códigos de 6 dígitos"),
        "since": cells.moment(row.created_at),
        "used": cells.moment(row.last_used_at),
        "rename": reverse("admin:factor_name", args=[row.pk]) if is_key else "",
        "remove": "" if is_last else reverse("admin:factor_remove", args=[row.pk]),
    }


def _addable(*, rows: list[Authenticator]) -> list[tuple[str, str]]:
    """Return what else may be enrolled: the address and the words of each."""
    adds = [(reverse("admin:factor_key"), _("Añadir una llave de seguridad"))] if security_keys.home() else []
    if not any(row.type == factors.TOTP for row in rows):
        adds.append((reverse("admin:factor"), _("Añadir una aplicación de códigos")))
    return adds


def enrol_app(site: theme.UnfoldAdminSite, request: HttpRequest) -> HttpResponse:
    """Make an authenticator app a factor of who has none; until there is a factor nothing else opens."""
    user, now = rights.person(request=request), timezone.now()
    if factors.has(user=user, kind=factors.TOTP):
        return HttpResponseRedirect(reverse("admin:factors"))
    secret = request.session.get(MAKING)
    if secret is None:
        secret = request.session[MAKING] = factors.new_secret()
    form = _proving(request=request, user=user, form=entrance.CodeForm(_sent(request)))
    form.fields["code"].help_text = _("Los 6 dígitos que muestra ahora tu aplicación.")  # a recovery code is none
    if request.method == "POST" and form.is_valid() and _is_she(request=request, user=user, form=form, now=now):
        attempts.take(request=request, login=user.get_username())
        stated, actor = form.cleaned_data["code"], actors.actor(request=request)
        first = "password" not in form.fields
        codes = factors.enrol(user=user, secret=secret, code=stated, is_first=first, now=now, actor=actor)
        if codes is not None:
            request.session.pop(MAKING)
            return _enrolled(site, request, codes=codes)
        form.add_error("code", _("El código no es válido, o ya se usó."))
    image = segno.make(_address(user=user, secret=secret)).svg_data_uri(scale=5, border=4, light="#ffffff")
    page = entrance.DoorPage(
        title=_("Protege tu entrada"),
        text=_("Lee este código con una aplicación de códigos (TOTP) de tu móvil y escribe los 6 dígitos que muestra."),
        submit=_("Activar"),
        extra={"form": form, "qr": image, "secret": secret, "other": _other_way(page="admin:factor_key")},
    )
    return entrance.show(site, request, page=page)


def enrol_key(site: theme.UnfoldAdminSite, request: HttpRequest) -> HttpResponse:
    """Make a security key or passkey a factor; who has a factor already shows her password, too."""
    user, now = rights.person(request=request), timezone.now()
    form = _proving(request=request, user=user, form=NameForm(_sent(request)))
    if request.method == "POST" and form.is_valid() and _is_she(request=request, user=user, form=form, now=now):
        answer = key_questions.answer(request=request)
        credential = security_keys.new_credential(request=request, user=user, answer=answer, now=now)
        codes = None
        if credential is not None:
            name, actor = form.cleaned_data["name"], actors.actor(request=request)
            first = "password" not in form.fields
            codes = factors.add_key(user=user, name=name, credential=credential, is_first=first, actor=actor)
        if codes is not None:
            return _enrolled(site, request, codes=codes)
        form.add_error(None, _("No se ha podido añadir la llave: vuelve a intentarlo, o prueba con otra."))
    page = entrance.DoorPage(
        title=_("Añade una llave de seguridad"),
        text=_("Vale una llave USB o NFC, o la huella, la cara o el PIN de tu móvil u ordenador (passkey)."),
        submit="",
        extra={
            "form": form,
            "key": key_questions.ask_for_new(request=request, user=user, now=now),
            "no_keys": _("Aquí no funcionan: hace falta una dirección con nombre y TLS (https)."),
            "other": _other_way(page="admin:factors" if factors.has(user=user) else "admin:factor"),
        },
    )
    return entrance.show(site, request, page=page)


def rename(site: theme.UnfoldAdminSite, request: HttpRequest, *, factor: Authenticator) -> HttpResponse:
    """Give a key another name.

    :raises Http404: it is an app, which has none
    """
    user = rights.person(request=request)
    if factor.type != factors.KEY:
        raise Http404
    form = NameForm(_sent(request), initial={"name": factor.data["name"]})
    if request.method == "POST" and form.is_valid():
        name, actor = form.cleaned_data["name"], actors.actor(request=request)
        if factors.rename_key(user=user, pk=factor.pk, name=name, actor=actor):
            return HttpResponseRedirect(reverse("admin:factors"))
        form.add_error("name", _("Ya se llama así."))
    page = entrance.DoorPage(
        title=_("Cambiar el nombre de la llave"),
        text=_("El nombre es solo para ti."),
        submit=_("Guardar"),
        extra={"form": form, "back": reverse("admin:factors")},
    )
    return entrance.show(site, request, page=page)


def remove(site: theme.UnfoldAdminSite, request: HttpRequest, *, factor: Authenticator) -> HttpResponse:
    """Remove one of several factors, by the password or a key; the last one stays."""
    user, now = rights.person(request=request), timezone.now()
    form = forms.Form(_sent(request))
    form.fields["password"] = key_questions.password_field(request=request)
    if request.method == "POST" and form.is_valid() and _is_she(request=request, user=user, form=form, now=now):
        if factors.remove_one(user=user, pk=factor.pk, actor=actors.actor(request=request)):
            return HttpResponseRedirect(reverse("admin:factors"))
        form.add_error(None, _("Es tu único segundo paso: añade otro antes de retirarlo."))
    name = factor.data["name"] if factor.type == factors.KEY else _("Aplicación de códigos")
    page = entrance.DoorPage(
        title=_("Retirar «%(name)s»") % {"name": name},
        text=_("Deja de servir al momento. Si la has perdido, retírala; tus otros pasos siguen valiendo."),
        submit=_("Retirar"),
        extra={
            "form": form,
            "key": key_questions.ask_grave(request=request),
            "back": reverse("admin:factors"),
        },
    )
    return entrance.show(site, request, page=page)


def _sent(request: HttpRequest) -> QueryDict | None:
    """Return what a form was sent with; None where the page is only shown."""
    return request.POST if request.method == "POST" else None


@ownership.resolver(Ownership.FACTOR)
def _factor(visit: Visit) -> Admitted:
    """Load a factor of who asks.

    :raises Http404: it is another's, or gone
    """
    mine = factors.of(user=rights.person(request=visit.request))
    row = next((row for row in mine if row.pk == visit.parts["factor"]), None)
    if row is None:
        raise Http404
    number = actors.actor(request=visit.request).id
    return Admitted(handed={"factor": row}, about=ownership.about(("user", number)), loaded=row)


def _proving(*, request: HttpRequest, user: User, form: forms.Form) -> forms.Form:
    """Ask for the password, too, where there is a factor already: nobody adds another one at a desk that was left."""
    if factors.has(user=user):
        form.fields["password"] = key_questions.password_field(request=request, is_alone=True)
    return form


def _is_she(*, request: HttpRequest, user: User, form: forms.Form, now: dt.datetime) -> bool:
    """Tell whether who asks has shown who she is, as far as the form asks it, and say on it what is wrong."""
    if "password" not in form.fields:
        return True
    number, password = actors.actor(request=request).id, form.cleaned_data["password"]
    try:
        key_questions.require(
            request=request, user=user, password=password, object_type="user", object_id=number, now=now
        )
    except errors.Problem as problem:
        form.add_error(None, writing.title(code=problem.code, language=cells.locale()))
    return not form.errors


def _other_way(*, page: str) -> tuple[str, str]:
    """Return the address and the words of the way out of a page that enrols."""
    said = {
        "admin:factor_key": _("Usar una llave de seguridad"),
        "admin:factor": _("Usar una aplicación de códigos"),
        "admin:factors": _("Volver"),
    }
    return reverse(page), said[page]


def _address(*, user: User, secret: str) -> str:
    """Return what the QR code tells an app: whose secret it is, of which service."""
    service = security_keys.SERVICE
    query = urlencode({"secret": secret, "issuer": service})
    return f"otpauth://totp/{service}:{user.get_username()}?{query}"


def _enrolled(site: theme.UnfoldAdminSite, request: HttpRequest, *, codes: list[str]) -> HttpResponse:
    """Show the recovery codes, this once; where there were some before, the factors."""
    if not codes:
        return HttpResponseRedirect(reverse("admin:factors"))
    page = entrance.DoorPage(
        title=_("Guarda tus códigos de recuperación"),
        text=_("Cada uno sirve una vez, si pierdes el móvil o la llave. No se muestran otra vez: guárdalos."),
        submit="",
        extra={"codes": codes, "onward": reverse("admin:index")},
    )
    return entrance.show(site, request, page=page)


@dataclass(frozen=True, kw_only=True)
class FactorPage:
    """One page about the caller's own factors: its name, its view, and what the log must say of it."""

    name: str
    view: Callable[..., HttpResponse]
    audit: Recorded | Unrecorded
    ownership: Ownership = Ownership.NONE


_POST = frozenset({"POST"})
# TABLE: address -> page.
PAGES: Mapping[str, FactorPage] = {
    "factor/": FactorPage(name="factor", view=enrol_app, audit=Recorded(action=Action.FACTOR_ADDED, methods=_POST)),
    "factors/": FactorPage(name="factors", view=listed, audit=Unrecorded(reason="the caller's own factors")),
    "factors/key/": FactorPage(
        name="factor_key", view=enrol_key, audit=Recorded(action=Action.FACTOR_ADDED, methods=_POST)
    ),
    "factors/<int:factor>/name/": FactorPage(
        name="factor_name",
        view=rename,
        audit=Recorded(action=Action.FACTOR_RENAMED, methods=_POST, acts=True),
        ownership=Ownership.FACTOR,
    ),
    "factors/<int:factor>/remove/": FactorPage(
        name="factor_remove",
        view=remove,
        audit=Recorded(action=Action.FACTOR_REMOVED, methods=_POST, acts=True),
        ownership=Ownership.FACTOR,
    ),
}
