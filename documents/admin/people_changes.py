"""What the role `admin` may change about a person: TABLE of the pages that ask, and what each does."""

from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit import log
from audit.actions import Action
from documents.access import actors, factors, grants, people
from documents.access.grants import Thing
from documents.access.roles import Role
from documents.admin import confirm, people_forms
from documents.delivery import invitations
from documents.models import Country, Grant, Party, Person

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.utils.functional import _StrPromise

RIGHT = "people"
Made = confirm.Confirmed[Person]


def invite(*, request: HttpRequest, form: people_forms.InviteForm) -> Person:
    """Add a person with what the form says, and queue her invitation: all of it or nothing."""
    stated, actor = form.cleaned_data, actors.actor(request=request)
    with transaction.atomic():
        person = people.add(login=stated["login"], email=stated["email"], locale=stated["locale"], actor=actor)
        set_roles(user=person.user, names=stated["names"], actor=actor)
        set_countries(user=person.user, countries=stated["countries"], actor=actor)
        for party in stated["parties"]:
            grants.change_scope(user=person.user, scope=party, given=True, actor=actor)
        if stated["until"]:
            people.limit(person=person, until_at=people_forms.until_at(stated["until"]), actor=actor)
        invitations.plan(person=person, now=timezone.now(), actor=actor)
    return person


def set_roles(*, user: User, names: "Iterable[str]", actor: log.Actor, reason: str = "") -> bool:
    """Give a person these roles and no others; False where nothing had to change."""
    wanted = set(names)
    with transaction.atomic():
        changed = [
            grants.change_role(user=user, role=role, given=role.value in wanted, actor=actor, reason=reason)
            for role in Role
        ]
    return any(changed)


def set_countries(*, user: User, countries: "Iterable[Country]", actor: log.Actor, reason: str = "") -> bool:
    """Let a person see these countries and no others; False where nothing had to change."""
    wanted = {country.pk for country in countries}
    with transaction.atomic():
        changed = [
            grants.change_scope(user=user, scope=country, given=country.pk in wanted, actor=actor, reason=reason)
            for country in Country.objects.all()
        ]
    return any(changed)


def _set_roles(made: Made) -> bool:
    names = made.form.cleaned_data["names"]
    return set_roles(user=made.row.user, names=names, actor=made.actor, reason=made.reason)


def _set_countries(made: Made) -> bool:
    countries = made.form.cleaned_data["countries"]
    return set_countries(user=made.row.user, countries=countries, actor=made.actor, reason=made.reason)


def _give_parties(made: Made) -> bool:
    """Make a person the parties of the form, or let her act for them until a day."""
    until_at, user = people_forms.until_at(made.form.cleaned_data["until"]), made.row.user
    with transaction.atomic():
        changed = [
            grants.change_scope(user=user, scope=party, given=True, actor=made.actor, reason=made.reason)
            if until_at is None
            else grants.lend(
                user=user,
                thing=Thing(kind="party", pk=party.pk, public_id=party.public_id),
                expires_at=until_at,
                actor=made.actor,
                reason=made.reason,
            )
            for party in made.form.cleaned_data["parties"]
        ]
    return any(changed)


def _lend_document(made: Made) -> bool:
    until_at = people_forms.until_at(made.form.cleaned_data["until"])
    if until_at is None:
        return False
    thing = made.form.cleaned_data["document"]
    return grants.lend(user=made.row.user, thing=thing, expires_at=until_at, actor=made.actor, reason=made.reason)


def _withdraw(made: Made) -> bool:
    """Withdraw parties and documents."""
    ids, user = made.form.cleaned_data["things"], made.row.user
    with transaction.atomic():
        changed = [
            grants.change_scope(user=user, scope=party, given=False, actor=made.actor, reason=made.reason)
            for party in Party.objects.filter(public_id__in=ids)
        ]
        changed += [
            grants.withdraw(grant=grant, actor=made.actor, now=made.now, reason=made.reason)
            for grant in Grant.objects.filter(user=user, public_id__in=ids).select_related("user")
        ]
    return any(changed)


def _limit(made: Made) -> bool:
    until_at = people_forms.until_at(made.form.cleaned_data["until"])
    return people.limit(person=made.row, until_at=until_at, actor=made.actor, reason=made.reason)


def _no_address(row: Person) -> "_StrPromise | str":
    """Say why nobody can be invited."""
    return "" if row.user.email else _("No tiene correo: no hay adónde enviar la invitación.")


_SAME = _("No había nada que cambiar.")
# TABLE: what is asked about a person before it is done.
CONFIRMATIONS: "Mapping[str, confirm.Confirmation[Person]]" = {
    "roles": confirm.Confirmation(
        title=_("Cambiar funciones"),
        text=_("Vale desde la siguiente página que abra. Nadie cambia las suyas: lo hace otra persona."),
        submit=_("Guardar funciones"),
        right=RIGHT,
        audit=Action.ACCESS_GRANTED,
        instead=(Action.ACCESS_WITHDRAWN,),
        form=people_forms.roles_form,
        act=_set_roles,
        done=_("Funciones cambiadas."),
        not_now=_SAME,
        grave=True,
    ),
    "countries": confirm.Confirmation(
        title=_("Cambiar países"),
        text=_("Son los países cuyos documentos ve como personal."),
        submit=_("Guardar países"),
        right=RIGHT,
        audit=Action.ACCESS_GRANTED,
        instead=(Action.ACCESS_WITHDRAWN,),
        form=people_forms.countries_form,
        act=_set_countries,
        done=_("Países cambiados."),
        not_now=_SAME,
    ),
    "parties": confirm.Confirmation(
        title=_("Dar titulares"),
        text=_(
            "Ve los documentos de estos titulares: los suyos, o aquellos por los que actúa como gestoría o flota. "
            "Quien gestiona una flota recibe aquí la flota y cada uno de sus conductores."
        ),
        submit=_("Dar titulares"),
        right=RIGHT,
        audit=Action.ACCESS_GRANTED,
        form=people_forms.form_of(people_forms.PartiesForm),
        act=_give_parties,
        done=_("Titulares dados."),
        not_now=_SAME,
    ),
    "document": confirm.Confirmation(
        title=_("Dar un documento"),
        text=_("Puede leer este documento y ningún otro, hasta el día que digas."),
        submit=_("Dar el documento"),
        right=RIGHT,
        audit=Action.ACCESS_GRANTED,
        form=people_forms.form_of(people_forms.DocumentForm),
        act=_lend_document,
        done=_("Documento dado."),
        not_now=_SAME,
    ),
    "withdraw": confirm.Confirmation(
        title=_("Retirar titulares o documentos"),
        text=_("Deja de verlos al momento."),
        submit=_("Retirar"),
        right=RIGHT,
        audit=Action.ACCESS_WITHDRAWN,
        form=people_forms.withdraw_form,
        act=_withdraw,
        done=_("Retirado."),
        not_now=_SAME,
        danger=True,
    ),
    "limit": confirm.Confirmation(
        title=_("Fijar hasta cuándo"),
        text=_("Después no entra como personal ni actúa por nadie. Quien es titular sigue leyendo lo suyo."),
        submit=_("Guardar la fecha"),
        right=RIGHT,
        audit=Action.PERSON_LIMITED,
        form=people_forms.until_form,
        act=_limit,
        done=_("Fecha guardada."),
        not_now=_SAME,
    ),
    "suspend": confirm.Confirmation(
        title=_("Suspender"),
        text=_("Al momento deja de ser personal y de actuar por nadie. Quien es titular sigue leyendo lo suyo."),
        submit=_("Suspender"),
        right=RIGHT,
        audit=Action.PERSON_SUSPENDED,
        act=lambda made: people.suspend(person=made.row, reason=made.reason, actor=made.actor, now=made.now),
        done=_("Persona suspendida."),
        not_now=_("Ya está suspendida."),
        blocked=lambda row: _("Ya está suspendida.") if row.suspended_at else "",
        danger=True,
    ),
    "resume": confirm.Confirmation(
        title=_("Readmitir"),
        text=_("Vuelve a tener las funciones y los alcances que tenía."),
        submit=_("Readmitir"),
        right=RIGHT,
        audit=Action.PERSON_RESUMED,
        act=lambda made: people.resume(person=made.row, reason=made.reason, actor=made.actor),
        done=_("Persona readmitida."),
        not_now=_("No está suspendida."),
        blocked=lambda row: "" if row.suspended_at else _("No está suspendida."),
    ),
    "factor": confirm.Confirmation(
        title=_("Retirar el segundo factor"),
        text=_("Para quien ha perdido el móvil y sus códigos: al entrar otra vez tendrá que activar uno nuevo."),
        submit=_("Retirar el segundo factor"),
        right=RIGHT,
        audit=Action.FACTOR_REMOVED,
        act=lambda made: factors.remove(user=made.row.user, reason=made.reason, actor=made.actor),
        done=_("Segundo factor retirado."),
        not_now=_("No tiene ninguno."),
        danger=True,
        grave=True,
    ),
    "invite": confirm.Confirmation(
        title=_("Invitar otra vez"),
        text=_("Recibe por correo un enlace de un solo uso para elegir contraseña. El anterior deja de servir."),
        submit=_("Enviar la invitación"),
        right=RIGHT,
        audit=Action.PERSON_INVITED,
        form=confirm.no_form,
        act=lambda made: invitations.plan(person=made.row, now=made.now, actor=made.actor),
        done=_("Invitación en camino."),
        blocked=_no_address,
    ),
}
