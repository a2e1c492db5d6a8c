"""The page on which a person who was invited sets her password. GET and HEAD change nothing."""

from http import HTTPStatus

from django.contrib.auth import hashers
from django.contrib.auth.forms import SetPasswordForm
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from audit import log
from documents import errors
from documents.access import actors, attempts, ownership, pages
from documents.access.admission import Admitted, Ownership, Visit
from documents.delivery import invitations
from documents.models import Invitation


@ownership.resolver(Ownership.INVITATION)
def invited(visit: Visit) -> Admitted:
    """Load the invitation of the token in the address; None for the page that says that there is none."""
    invitation = invitations.find(token=str(visit.parts["token"]))
    if invitation is None:
        return Admitted(handed={"invitation": None}, about=ownership.about())
    about = ownership.about(("user", invitation.user.person.public_id))
    return Admitted(handed={"invitation": invitation}, about=about, loaded=invitation)


@csrf_exempt  # the token in the address is the secret that another site cannot know
def choose(request: HttpRequest, invitation: Invitation | None) -> HttpResponse:
    """Ask for a password and set it (GET, POST /invitation/<token>/).

    :raises errors.Problem: `csrf_failed` for another site's form, on record; `throttled`, before anything is hashed
    """
    now = timezone.now()
    if invitation is None:
        log.deny(actor=actors.visitor(request=request), object_type="invitation", object_id="unknown", code="not_found")
        return _say(request, name="unknown", status=HTTPStatus.NOT_FOUND)
    if not invitations.is_open(invitation=invitation, now=now):
        return _say(request, name="ended", status=HTTPStatus.GONE)
    actor = actors.visitor(request=request, kind="link", identity=invitation.public_id)
    if request.method == "POST" and not pages.same_site(request=request):
        log.deny(actor=actor, object_type="invitation", object_id=invitation.public_id, code="csrf_failed")
        raise errors.Problem(code="csrf_failed")
    sent = request.POST if request.method == "POST" else None
    if sent is not None:
        attempts.take(request=request, login=invitation.user.get_username())
    form = SetPasswordForm(invitation.user, sent)
    if sent is None or not form.is_valid():
        status = HTTPStatus.BAD_REQUEST if request.method == "POST" else HTTPStatus.OK
        login = invitation.user.get_username()
        context = {"form": form, "login": login, "reference": invitation.public_id}
        return pages.page(request=request, template="web/invitation.html", context=context, status=status)
    with attempts.turn():
        hashed = hashers.make_password(form.cleaned_data["new_password1"])
    if not invitations.accept(invitation=invitation, hashed=hashed, now=now, actor=actor):
        return _say(request, name="ended", status=HTTPStatus.GONE)
    return _say(request, name="chosen", status=HTTPStatus.OK, enters=invitation.user.is_staff)


def _say(request: HttpRequest, *, name: str, status: HTTPStatus, enters: bool = False) -> HttpResponse:
    """Answer with a page that says how it stands."""
    with translation.override(pages.requested_language(request=request)):
        heading, line, sign, tone = {
            "unknown": (
                _("No encontramos esta invitación"),
                _("Revisa que la dirección esté completa, tal como llegó en el correo."),
                "search",
                "warn",
            ),
            "ended": (
                _("Esta invitación ya no sirve"),
                _("Ya se usó, caducó o se envió otra. Pide una nueva a quien administra los accesos."),
                "lock",
                "warn",
            ),
            "chosen": (_("Contraseña elegida"), _("Guárdala bien: nadie más la conoce."), "check", "good"),
        }[name]
        context = {"heading": heading, "lines": (line,), "sign": sign, "tone": tone}
        context |= {"enter": reverse("admin:login")} if enters else {}
    return pages.page(request=request, template="web/message.html", context=context, status=status)
