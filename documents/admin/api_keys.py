"""Keys of the API in the Document Center: made, rotated and revoked by the role `admin`; each is shown once."""

import datetime as dt
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.actions import Action
from documents import errors, formatting
from documents.access import actors, grants, keys, roles
from documents.access.admission import KeyScope, Ownership, Recorded
from documents.admin import base, cells, confirm, people_forms, timeline
from documents.admin.site import DocumentCenter, site
from documents.models import ApiKey, Party
from documents.sentences import writing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import QuerySet
    from django.utils.functional import _StrPromise
    from django.utils.safestring import SafeString

RIGHT = "people"
SCOPES: "list[tuple[str, _StrPromise]]" = [
    (KeyScope.READ.value, gettext_lazy("Leer datos")),
    (KeyScope.CONTENT.value, gettext_lazy("Descargar PDF")),
    (KeyScope.LINKS.value, gettext_lazy("Enlaces seguros")),
    (KeyScope.CONTACT.value, gettext_lazy("Datos de contacto")),
    (KeyScope.CORRECTIONS.value, gettext_lazy("Notas de crédito")),
    (KeyScope.WORKLIST.value, gettext_lazy("Trabajo pendiente")),
    (KeyScope.CUSTODY.value, gettext_lazy("Custodia")),
]
_PLAIN = {"class": "dc-input", "autocomplete": "off", "spellcheck": "false"}


def standing(key: ApiKey) -> str:
    """Return whether a key opens, as a state of `cells.STATES`."""
    if key.revoked_at is not None:
        return "KEY_REVOKED"
    return "KEY_ENDED" if key.expires_at <= timezone.now() else "OPENS"


def whose(key: ApiKey) -> str:
    """Write whose documents a key opens."""
    return key.party.platform_id if key.party else key.user.get_username()


class KeyForm(forms.Form):
    """A new key: for a party, or for a member of staff."""

    party = forms.CharField(
        label=gettext_lazy("Titular"),
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs=_PLAIN),
        help_text=gettext_lazy("Su id de la plataforma. Vacío: la clave es de una persona."),
    )
    role = forms.ChoiceField(
        label=gettext_lazy("Función del titular"),
        choices=[each for each in people_forms.ROLES if each[0] in roles.OWNERS],
        widget=forms.Select(attrs=_PLAIN),
    )
    login = forms.CharField(
        label=gettext_lazy("Usuario"), required=False, max_length=150, widget=forms.TextInput(attrs=_PLAIN)
    )
    name = forms.CharField(
        label=gettext_lazy("Nombre"), max_length=keys.NAME_LENGTH_MAX, widget=forms.TextInput(attrs=_PLAIN)
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("Permisos"),
        choices=SCOPES,
        widget=forms.SelectMultiple(attrs={"class": "dc-input", "size": len(SCOPES)}),
    )
    until = people_forms.UntilField()

    def clean(self) -> dict[str, Any]:
        """Find the party or the person; exactly one of them is stated."""
        stated: dict[str, Any] = super().clean() or {}
        party_id, login = stated.get("party"), stated.get("login")
        if bool(party_id) == bool(login):
            raise forms.ValidationError(_("Indica un titular o un usuario, y no los dos."))
        if party_id:
            stated["owner"] = Party.objects.filter(platform_id=party_id).first()
        else:
            stated["owner"] = User.objects.filter(username=login, is_active=True).first()
        if stated["owner"] is None:
            self.add_error("party" if party_id else "login", _("No existe."))
        return stated


CONFIRMATIONS: "Mapping[str, confirm.Confirmation[ApiKey]]" = {
    "revoke": confirm.Confirmation(
        title=gettext_lazy("Revocar"),
        text=gettext_lazy("Deja de abrir al momento, y no vuelve."),
        submit=gettext_lazy("Revocar"),
        right=RIGHT,
        audit=Action.KEY_REVOKED,
        form=confirm.no_form,
        act=lambda made: keys.revoke(key=made.row, actor=made.actor, now=made.now),
        done=gettext_lazy("Clave revocada."),
        not_now=gettext_lazy("Ya estaba revocada."),
        blocked=lambda row: gettext_lazy("Ya estaba revocada.") if row.revoked_at else "",
        danger=True,
    ),
}


@admin.register(ApiKey, site=site)
class KeyAdmin(base.DocumentCenterAdmin[ApiKey]):
    """Every key that there has been, without its secret, which nobody has."""

    right, object_type = RIGHT, "key"
    listed = viewed = Action.KEY_VIEWED
    list_display = ("name_cell", "state_cell", "whose_cell", "scopes_cell", "until_cell", "used_cell")
    list_display_links = ("name_cell",)
    list_before_template = "admin/dc/keys.html"

    def scoped(self, *, request: HttpRequest, rows: "QuerySet[ApiKey]") -> "QuerySet[ApiKey]":
        """Return all: who gives access gives it for any country."""
        return rows.select_related("party", "user")

    def pages(self) -> "Mapping[str, base.RowPage]":
        """Add the pages on which a key is rotated and revoked."""
        rotated = Recorded(action=Action.KEY_ROTATED, methods=frozenset({"POST"}))
        return {
            "rotate": base.RowPage(view=self.rotate_view, right=RIGHT, audit=rotated),
            **{name: row.page(self) for name, row in CONFIRMATIONS.items()},
        }

    def get_urls(self) -> list[URLPattern]:
        """Add the page on which a key is made, before those of one."""
        page = cast("DocumentCenter", self.admin_site).page(
            "documents/apikey/create/",
            self.create_view,
            name="documents_apikey_new",
            right=RIGHT,
            ownership=Ownership.NONE,
            audit=Recorded(action=Action.KEY_CREATED, methods=frozenset({"POST"})),
            methods=("GET", "HEAD", "POST"),
        )
        return [page, *super().get_urls()]

    def create_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for whom, make the key, and show it this once."""
        form = KeyForm(confirm.sent(request), initial={"until": (timezone.now() + keys.LIFE).date()})
        if form.is_valid():
            return self._shown(request, *_created(form=form, request=request))
        question = {
            "title": _("Crear una clave"),
            "text": _("El programa que la lleva actúa como el titular o la persona, con los permisos que elijas."),
            "submit": _("Crear la clave"),
        }
        status = HTTPStatus.BAD_REQUEST if request.method == "POST" else HTTPStatus.OK
        return self._page(request, template="admin/dc/confirm.html", context={**question, "form": form}, status=status)

    def rotate_view(self, request: HttpRequest, row: ApiKey) -> HttpResponse:
        """Ask, make the key that follows, and show it this once."""
        form = forms.Form(confirm.sent(request))
        if form.is_valid():
            try:
                return self._shown(
                    request, *keys.rotate(key=row, actor=actors.actor(request=request), now=timezone.now())
                )
            except errors.Problem as problem:
                form.add_error(None, writing.of_problem(problem=problem, language=formatting.language()))
        question = {
            "title": _("Rotar la clave"),
            "text": _("La nueva abre lo mismo. Esta sigue abriendo siete días, para cambiarla sin corte."),
            "submit": _("Rotar la clave"),
            "form": form,
        }
        status = HTTPStatus.CONFLICT if request.method == "POST" else HTTPStatus.OK
        return self.render(request=request, row=row, template="admin/dc/confirm.html", context=question, status=status)

    def _shown(self, request: HttpRequest, key: ApiKey, text: str) -> HttpResponse:
        """Show a new key in this answer, which nothing keeps, and in no other."""
        context = {"title": _("Clave nueva"), "key": key, "text": text, "page": cells.page(key)}
        return self._page(request, template="admin/dc/key_shown.html", context=context, status=HTTPStatus.OK)

    def _page(self, request: HttpRequest, *, template: str, context: dict[str, Any], status: int) -> HttpResponse:
        """Return a page of the list's frame that is about no row yet."""
        frame = {
            **self.admin_site.each_context(request),
            "kicker": self.model._meta.verbose_name_plural,
            "page": reverse("admin:documents_apikey_changelist"),
            "list_title": self.model._meta.verbose_name_plural,
            "list_route": "admin:documents_apikey_changelist",
            "model_meta": self.model._meta,
        }
        return TemplateResponse(request, template, {**frame, **context}, status=status)

    @admin.display(description=gettext_lazy("nombre"))
    def name_cell(self, row: ApiKey) -> str:
        """Write what its owner calls it."""
        return row.name

    @admin.display(description=gettext_lazy("situación"))
    def state_cell(self, row: ApiKey) -> "SafeString":
        """Write whether it opens."""
        return cells.state(standing(row))

    @admin.display(description=gettext_lazy("de quién"))
    def whose_cell(self, row: ApiKey) -> str:
        """Write the party or the person."""
        return whose(row)

    @admin.display(description=gettext_lazy("permisos"))
    def scopes_cell(self, row: ApiKey) -> str:
        """Write what it may do."""
        return ", ".join(str(label) for scope, label in SCOPES if scope in row.scopes)

    @admin.display(description=gettext_lazy("caduca"))
    def until_cell(self, row: ApiKey) -> "SafeString | str":
        """Write until when."""
        return cells.moment(row.expires_at)

    @admin.display(description=gettext_lazy("último uso"))
    def used_cell(self, row: ApiKey) -> "SafeString | str":
        """Write when it was used last."""
        return cells.moment(row.last_used_at)

    def detail(self, *, request: HttpRequest, row: ApiKey) -> dict[str, Any]:
        """Return a key's page."""
        facts = [
            base.Fact(label=gettext_lazy("Nombre"), value=row.name),
            base.Fact(label=gettext_lazy("Identificador"), value=cells.mono(row.public_id)),
            base.Fact(label=gettext_lazy("De quién"), value=whose(row)),
            base.Fact(label=gettext_lazy("Permisos"), value=self.scopes_cell(row)),
            base.Fact(label=gettext_lazy("Creada"), value=cells.moment(row.created_at)),
            base.Fact(label=gettext_lazy("Caduca"), value=cells.moment(row.expires_at)),
            base.Fact(label=gettext_lazy("Revocada"), value=cells.moment(row.revoked_at)),
            base.Fact(label=gettext_lazy("Último uso"), value=cells.moment(row.last_used_at)),
        ]
        opens = standing(row) == "OPENS"
        actions = [
            {"url": "rotate/", "label": gettext_lazy("Rotar la clave")},
            {"url": "revoke/", "label": CONFIRMATIONS["revoke"].title},
        ]
        return {
            "badges": [cells.state(standing(row))],
            "actions": actions if opens else [],
            "cards": [base.Card(title=gettext_lazy("Resumen"), facts=facts)],
            "timeline": timeline.lines(request=request, object_ids=[row.public_id]),
        }


def _created(*, form: KeyForm, request: HttpRequest) -> tuple[ApiKey, str]:
    """Make the key that the form asks for."""
    stated, actor = form.cleaned_data, actors.actor(request=request)
    owner = stated["owner"]
    party = owner if isinstance(owner, Party) else None
    user = grants.add_program(party=party, role=roles.Role(stated["role"]), actor=actor) if party else owner
    return keys.create(
        user=user,
        party=party,
        name=stated["name"],
        scopes=[KeyScope(scope) for scope in stated["scopes"]],
        actor=actor,
        expires_at=people_forms.until_at(stated["until"]) or timezone.now() + dt.timedelta(days=1),
    )
