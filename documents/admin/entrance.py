"""The way into the Document Center: password, second factor, and both again after a pause; each step is on record."""

import dataclasses
import datetime as dt
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import REDIRECT_FIELD_NAME, hashers, login
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit import log
from audit.actions import Action
from documents.access import actors, attempts, factors, sessions
from documents.access.security_keys import KeyPurpose
from documents.admin import key_questions, rights, theme

BACKEND = "django.contrib.auth.backends.ModelBackend"
PENDING = "sign_in"
PENDING_LIFE = dt.timedelta(minutes=10)
CODE_LENGTH_MAX = 12


class CodeForm(forms.Form):
    """A code of the authenticator app, or a recovery code."""

    code = forms.CharField(
        label=gettext_lazy("Código"),
        max_length=CODE_LENGTH_MAX,
        help_text=gettext_lazy("Los 6 dígitos de tu aplicación, o un código de recuperación."),
        widget=forms.TextInput(
            attrs={
                "class": "dc-input",
                "inputmode": "numeric",
                "autocomplete": "one-time-code",
                "autofocus": True,
                **key_questions.OR_KEY,
            }
        ),
    )


class PasswordForm(AdminAuthenticationForm):
    """Login and password; what is wrong with them is one sentence, which does not say which."""

    def get_invalid_login_error(self) -> forms.ValidationError:
        """Say that something is wrong, and not what."""
        return forms.ValidationError(_("El usuario o la contraseña no son correctos."), code="invalid_login")

    def confirm_login_allowed(self, user: AbstractBaseUser) -> None:
        """Refuse who may not come in here as if the password were wrong: it tells nobody that it is right."""
        if not (user.is_active and isinstance(user, User) and user.is_staff):
            raise self.get_invalid_login_error()


class UnlockForm(forms.Form):
    """The password of who is signed in already."""

    password = forms.CharField(
        label=gettext_lazy("Contraseña"),
        max_length=1000,
        strip=False,
        widget=forms.PasswordInput(attrs={"class": "dc-input", "autocomplete": "current-password", "autofocus": True}),
    )


class SignIn(LoginView):
    """Asks for login and password; who has a second factor is asked for it on the next page, and is not in before."""

    def get_default_redirect_url(self) -> str:
        """Return where a person goes who has asked for no page."""
        return reverse("admin:index")

    def form_valid(self, form: Any) -> HttpResponse:
        """Let the person in, or remember for PENDING_LIFE whose factor is asked for."""
        user = form.get_user()
        if not factors.has(user=user):
            sessions.begin(request=self.request, now=timezone.now())
            return super().form_valid(form)
        until_at = timezone.now() + PENDING_LIFE
        self.request.session[PENDING] = {
            "user": user.pk,
            "until": until_at.timestamp(),
            "next": self.get_success_url(),
        }
        return HttpResponseRedirect(reverse("admin:code"))


@dataclass(frozen=True, kw_only=True)
class DoorPage:
    """One page before the Document Center: what it says and asks."""

    title: str
    text: str
    submit: str
    extra: dict[str, Any]


def sign_in(site: theme.UnfoldAdminSite, request: HttpRequest) -> HttpResponse:
    """Ask for login and password; each try counts before anything is hashed, and is on record."""
    if request.method != "POST":
        return _password_page(site, request)
    typed = request.POST.get("username", "")[:150]
    attempts.take(request=request, login=typed)
    with attempts.turn(), transaction.atomic():  # a login may renew an old hash, which commits with its event only
        response = _password_page(site, request)
        right = response.status_code == HTTPStatus.FOUND
        if right and request.user.is_authenticated:
            record(request=request, action=Action.SESSION_LOGIN)
            attempts.forget(login=typed)
        elif right:
            claimant = actors.claimant(request=request, user=User.objects.get(pk=request.session[PENDING]["user"]))
            log.record(action=Action.SESSION_CONFIRMED, object_type="session", object_id=claimant.id, actor=claimant)
        else:
            transaction.set_rollback(True)  # wrong, or right of somebody who may not enter here
    if not right:
        _refuse(request=request, code="authentication_failed")
    return response


def _password_page(site: theme.UnfoldAdminSite, request: HttpRequest) -> HttpResponse:
    """Show the page that asks for login and password, or judge what was typed."""
    if request.method == "GET" and site.has_permission(request):
        return HttpResponseRedirect(reverse("admin:index"))
    context = {**site.each_context(request), "title": _("Entrar"), "app_path": request.get_full_path()}
    if REDIRECT_FIELD_NAME not in {*request.GET, *request.POST}:
        context[REDIRECT_FIELD_NAME] = reverse("admin:index")
    view = SignIn.as_view(extra_context=context, authentication_form=PasswordForm, template_name="admin/login.html")
    return cast("HttpResponse", view(request))


def code(site: theme.UnfoldAdminSite, request: HttpRequest) -> HttpResponse:
    """Ask for the second factor of who has shown a password, and let her in."""
    now, pending = timezone.now(), request.session.get(PENDING) or {"user": 0, "until": 0}
    user = User.objects.filter(pk=pending["user"], is_active=True).first()
    if user is None or pending["until"] < now.timestamp():
        return HttpResponseRedirect(reverse("admin:login"))
    form = _code_form(request=request)
    if request.method == "POST" and form.is_valid():
        attempts.take(request=request, login=user.get_username())
        with transaction.atomic():
            claimant = actors.claimant(request=request, user=user)
            if _shows_factor(
                request=request, user=user, form=form, purpose=KeyPurpose.SIGN_IN, now=now, actor=claimant
            ):
                login(request, user, backend=BACKEND)
                request.session.pop(PENDING, None)
                sessions.begin(request=request, now=now)
                record(request=request, action=Action.SESSION_LOGIN)
                attempts.forget(login=user.get_username())
                return HttpResponseRedirect(pending["next"])
        _refuse(request=request, code="second_factor_wrong")
    page = DoorPage(
        title=_("Segundo paso"),
        text=_("Abre la aplicación de códigos de tu móvil, o usa tu llave de seguridad."),
        submit=_("Entrar"),
        extra={"form": form, "key": key_questions.ask(request=request, user=user, purpose=KeyPurpose.SIGN_IN, now=now)},
    )
    if page.extra["key"] is None:
        page = dataclasses.replace(page, text=_("Abre la aplicación de códigos de tu móvil."))
    return show(site, request, page=page)


def _code_form(*, request: HttpRequest) -> CodeForm:
    """Return the form that asks for a code, which a key may answer instead."""
    form = CodeForm(request.POST or None)
    form.fields["code"].required = not key_questions.answer(request=request)
    return form


def _shows_factor(
    *, request: HttpRequest, user: User, form: forms.Form, purpose: KeyPurpose, now: dt.datetime, actor: log.Actor
) -> bool:
    """Tell whether a form shows a factor of the person, a key or a code, and say on it what is wrong."""
    if key_questions.answer(request=request):
        right = key_questions.is_right(request=request, user=user, purpose=purpose, now=now, actor=actor)
        if not right:
            form.add_error(None, key_questions.WRONG)
        return right
    right = factors.check(user=user, code=form.cleaned_data["code"], now=now, actor=actor)
    if not right:
        form.add_error("code", _("El código no es válido, o ya se usó."))
    return right


def unlock(site: theme.UnfoldAdminSite, request: HttpRequest) -> HttpResponse:
    """Ask who was away for long who she is, and give her back the form that she sent meanwhile."""
    user, now = rights.person(request=request), timezone.now()
    form = UnlockForm(request.POST or None)
    if factors.has(user=user):
        form.fields["code"] = _code_form(request=request).fields["code"]
    if request.method == "POST" and form.is_valid():
        if _confirms(request=request, user=user, typed=form.cleaned_data):
            return _go_on(site, request)
        form.add_error(None, _("La contraseña, el código o la llave no son correctos."))
        _refuse(request=request, code="authentication_failed")
    page = DoorPage(
        title=_("¿Sigues ahí?"),
        text=_("Tras 30 minutos sin actividad pedimos la contraseña otra vez. Lo que habías escrito está guardado."),
        submit=_("Continuar"),
        extra={
            "form": form,
            "leave": reverse("admin:logout"),
            "key": key_questions.ask(request=request, user=user, purpose=KeyPurpose.UNLOCK, now=now),
        },
    )
    return show(site, request, page=page)


def _confirms(*, request: HttpRequest, user: User, typed: dict[str, Any]) -> bool:
    """Tell whether the password, and the code where one is asked for, are right; then the session is open again."""
    now, actor = timezone.now(), actors.actor(request=request)
    attempts.take(request=request, login=user.get_username())
    with attempts.turn():
        if not hashers.check_password(typed["password"], user.password):
            return False
    with transaction.atomic():
        if key_questions.answer(request=request):
            right = key_questions.is_right(request=request, user=user, purpose=KeyPurpose.UNLOCK, now=now, actor=actor)
        else:
            right = "code" not in typed or factors.check(user=user, code=typed["code"], now=now, actor=actor)
        if not right:
            return False
        sessions.begin(request=request, now=now)
        request.session.cycle_key()
        record(request=request, action=Action.SESSION_CONFIRMED)
        attempts.forget(login=user.get_username())
    return True


def _go_on(site: theme.UnfoldAdminSite, request: HttpRequest) -> HttpResponse:
    """Lead back to the page that was asked for, or show the form that was kept, to be sent."""
    kept = sessions.kept_form(request=request)
    if kept is not None:
        page = DoorPage(
            title=_("Tu formulario sigue aquí"),
            text=_("Lo enviaste tras la pausa y no se había hecho nada. Envíalo ahora, o descártalo."),
            submit=_("Enviar ahora"),
            extra={"kept": kept, "onward": kept["path"]},
        )
        return show(site, request, page=page)
    wanted = request.GET.get("next", "")
    safe = url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()})
    return HttpResponseRedirect(wanted if safe else reverse("admin:index"))


def show(site: theme.UnfoldAdminSite, request: HttpRequest, *, page: DoorPage) -> TemplateResponse:
    """Show a page before the Document Center: nothing of what lies behind it."""
    form = page.extra.get("form")
    status = HTTPStatus.BAD_REQUEST if form is not None and form.errors else HTTPStatus.OK
    said = {"title": page.title, "text": page.text, "submit": page.submit, **page.extra}
    return TemplateResponse(request, "admin/dc/door.html", {**site.each_context(request), **said}, status=status)


def record(*, request: HttpRequest, action: Action, object_type: str = "session") -> None:
    """Put a step of a session on record."""
    actor = actors.actor(request=request)
    with transaction.atomic():
        log.record(action=action, object_type=object_type, object_id=actor.id, actor=actor)


def _refuse(*, request: HttpRequest, code: str) -> None:
    """Put a try that failed on record; what was typed is not."""
    log.deny(
        actor=actors.actor(request=request),
        object_type="session",
        object_id="admin",
        code=code,
        action=Action.SESSION_FAILED,
    )
