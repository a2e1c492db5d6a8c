"""People in the Document Center: who may sign in, with which roles, for which countries and parties, until when."""

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin, messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.actions import Action
from documents.access import factors
from documents.access.admission import Ownership, Recorded
from documents.admin import base, cells, confirm, people_changes, people_forms, timeline
from documents.admin.site import DocumentCenter, site
from documents.models import Person

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import QuerySet
    from django.utils.safestring import SafeString

TERM_LENGTH_MAX = 150


def standing(person: Person) -> str:
    """Return whether a person may do what her roles say, as a state of `cells.STATES`."""
    if person.suspended_at is not None:
        return "SUSPENDED"
    if person.access_until_at is not None and person.access_until_at <= timezone.now():
        return "ACCESS_ENDED"
    return "ADMITTED" if person.user.has_usable_password() else "INVITED"


def _role_names(person: Person) -> str:
    """Write the roles of a person."""
    names = {group.name for group in person.user.groups.all()}
    return ", ".join(str(label) for name, label in people_forms.ROLES if name in names) or cells.NOTHING


@admin.register(Person, site=site)
class PersonAdmin(base.DocumentCenterAdmin[Person]):
    """Everybody who may sign in, for the role `admin`."""

    right, object_type = people_changes.RIGHT, "user"
    listed = viewed = Action.PERSON_VIEWED
    list_display = ("login_cell", "state_cell", "roles_cell", "email_cell", "until_cell", "seen_cell")
    list_display_links = ("login_cell",)
    list_before_template = "admin/dc/people.html"
    search_fields = ("user__username",)
    search_help_text = gettext_lazy("Pega un usuario, un correo o usr_…")
    ordering = ("user__username",)

    def scoped(self, *, request: HttpRequest, rows: "QuerySet[Person]") -> "QuerySet[Person]":
        """Return everybody: who gives access gives it for any country."""
        return rows.select_related("user").prefetch_related("user__groups")

    def pages(self) -> "Mapping[str, base.RowPage]":
        """Add the pages on which access is given and withdrawn."""
        return {name: row.page(self) for name, row in people_changes.CONFIRMATIONS.items()}

    def get_urls(self) -> list[URLPattern]:
        """Add the page on which somebody is invited, before those of one person."""
        acts = Recorded(action=Action.PERSON_INVITED, methods=frozenset({"POST"}), acts=True)
        page = cast("DocumentCenter", self.admin_site).page(
            "documents/person/invite/",
            self.invite_view,
            name="documents_person_new",
            right=self.right,
            ownership=Ownership.NONE,
            audit=acts,
            methods=("GET", "HEAD", "POST"),
        )
        return [page, *super().get_urls()]

    def invite_view(self, request: HttpRequest) -> HttpResponse:
        """Ask whom to invite, and do it."""
        form = people_forms.InviteForm(confirm.sent(request))
        status = HTTPStatus.OK
        if request.method == "POST":
            if form.is_valid():
                person = people_changes.invite(request=request, form=form)
                messages.success(request, _("Invitación en camino."))
                return HttpResponseRedirect(cells.page(person))
            status = HTTPStatus.BAD_REQUEST
        context = {
            **self.admin_site.each_context(request),
            "title": _("Invitar a una persona"),
            "kicker": self.model._meta.verbose_name_plural,
            "text": _("Recibe por correo un enlace de un solo uso, válido 72 horas, para elegir su contraseña."),
            "submit": _("Invitar"),
            "form": form,
            "page": reverse("admin:documents_person_changelist"),
            "list_title": self.model._meta.verbose_name_plural,
            "list_route": "admin:documents_person_changelist",
            "model_meta": self.model._meta,
        }
        return TemplateResponse(request, "admin/dc/confirm.html", context, status=status)

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Person]", search_term: str
    ) -> "tuple[QuerySet[Person], bool]":
        """Search for exactly this login, address or id."""
        term = search_term.strip()[:TERM_LENGTH_MAX]
        if not term:
            return queryset, False
        matching = Q(user__username__iexact=term) | Q(user__email__iexact=term) | Q(public_id=term)
        return queryset.filter(matching), False

    @admin.display(description=gettext_lazy("usuario"))
    def login_cell(self, row: Person) -> str:
        """Write the login."""
        return row.user.get_username()

    @admin.display(description=gettext_lazy("situación"))
    def state_cell(self, row: Person) -> "SafeString":
        """Write whether the person has access."""
        return cells.state(standing(row))

    @admin.display(description=gettext_lazy("funciones"))
    def roles_cell(self, row: Person) -> str:
        """Write the roles."""
        return _role_names(row)

    @admin.display(description=gettext_lazy("correo"))
    def email_cell(self, row: Person) -> str:
        """Write the address."""
        return row.user.email or cells.NOTHING

    @admin.display(description=gettext_lazy("acceso hasta"))
    def until_cell(self, row: Person) -> "SafeString | str":
        """Write until when."""
        return cells.moment(row.access_until_at)

    @admin.display(description=gettext_lazy("última entrada"))
    def seen_cell(self, row: Person) -> "SafeString | str":
        """Write when the person signed in last."""
        return cells.moment(row.user.last_login)

    def detail(self, *, request: HttpRequest, row: Person) -> dict[str, Any]:
        """Return a person's page."""
        suspended = row.suspended_at is not None
        names = ["roles", "countries", "parties", "document", "withdraw", "limit"]
        names += ["resume" if suspended else "suspend", *(["invite"] if row.user.email and not suspended else [])]
        names += ["factor"] if factors.has(user=row.user) else []
        invited = row.user.invitations.values_list("public_id", flat=True)
        return {
            "badges": [cells.state(standing(row))],
            "actions": [{"url": f"{name}/", "label": people_changes.CONFIRMATIONS[name].title} for name in names],
            "cards": [_summary(row), _reach(row)],
            "timeline": timeline.lines(request=request, object_ids=[row.public_id, *invited]),
        }


def _summary(row: Person) -> base.Card:
    """Return who the person is and what she may do."""
    facts = [
        base.Fact(label=gettext_lazy("Usuario"), value=row.user.get_username()),
        base.Fact(label=gettext_lazy("Identificador"), value=cells.mono(row.public_id)),
        base.Fact(label=gettext_lazy("Correo"), value=row.user.email or cells.NOTHING),
        base.Fact(label=gettext_lazy("Idioma"), value=row.locale),
        base.Fact(label=gettext_lazy("Funciones"), value=_role_names(row)),
        base.Fact(label=gettext_lazy("Países"), value=", ".join(people_forms.seen(person=row)) or cells.NOTHING),
        base.Fact(label=gettext_lazy("Alta"), value=cells.moment(row.added_at)),
        base.Fact(label=gettext_lazy("Última entrada"), value=cells.moment(row.user.last_login)),
        base.Fact(
            label=gettext_lazy("Segundo factor"),
            value=gettext_lazy("activado") if factors.has(user=row.user) else gettext_lazy("sin activar"),
        ),
        base.Fact(label=gettext_lazy("Acceso hasta"), value=cells.moment(row.access_until_at)),
        base.Fact(label=gettext_lazy("Suspendida desde"), value=cells.moment(row.suspended_at)),
    ]
    return base.Card(title=gettext_lazy("Resumen"), facts=facts)


def _reach(row: Person) -> base.Card:
    """Return whose documents the person sees besides those of her countries, and until when."""
    own = [
        (party.platform_id, gettext_lazy("es este titular"), gettext_lazy("sin fin"))
        for party in people_forms.owned(person=row)
    ]
    others = [
        (
            each.name,
            gettext_lazy("actúa por el titular") if each.is_party else gettext_lazy("lee el documento"),
            cells.moment(each.expires_at),
        )
        for each in people_forms.lent(person=row)
    ]
    return base.Card(
        title=gettext_lazy("Titulares y documentos"),
        heads=(gettext_lazy("Titular o documento"), gettext_lazy("Cómo"), gettext_lazy("Hasta")),
        rows=[*own, *others],
        empty=gettext_lazy("Ninguno."),
        wide=True,
    )
