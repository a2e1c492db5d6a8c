"""The pages that ask before something is done: GET shows a dialog, POST does it with its reason, and is on record.

Each is a row: `Confirmation` says what the page asks, who may, what doing it records, and what is said afterwards. One
view answers all of them. What cannot be done is answered on the same page, with the status of its cause.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _

from audit import log
from audit.actions import Action
from documents import errors
from documents.access import actors
from documents.access.admission import Recorded
from documents.admin import base, cells, key_questions, navigation, reasons, rights
from documents.resilience import calls
from documents.sentences import writing

if TYPE_CHECKING:
    import datetime as dt

    from django.utils.functional import _StrPromise

M = TypeVar("M", bound=Model)
CAUSE = "%(cause)s"


@dataclass(frozen=True, kw_only=True)
class Confirmed(Generic[M]):
    """What has been confirmed: the row, what the form says, who did it by which request, and when."""

    request: HttpRequest
    row: M
    form: forms.Form
    user: User
    actor: log.Actor
    now: "dt.datetime"

    @property
    def reason(self) -> str:
        """Return the reason that was stated."""
        return str(self.form.cleaned_data["reason"])


def reason_form(request: HttpRequest, _row: Model) -> forms.Form:
    """Return the form that asks for a reason."""
    return reasons.ReasonForm(sent(request))


def no_form(request: HttpRequest, _row: Model) -> forms.Form:
    """Return a form without fields: the page asks for nothing but the confirmation."""
    return forms.Form(sent(request))


def sent(request: HttpRequest) -> Any:
    """Return what a form was sent with; None where the page is only shown."""
    return request.POST if request.method == "POST" else None


def no_cards(_row: Model) -> Sequence[base.Card]:
    """Return nothing to show beside the question."""
    return ()


@dataclass(frozen=True, kw_only=True)
class Confirmation(Generic[M]):
    """One page that asks: its words, the right that it needs, what is recorded, and what does it.

    `act` returns False where there is nothing to do any more (`not_now` says why), and raises what keeps it from being
    done. `blocked` says why the question makes no sense; then it is not asked.
    """

    title: "_StrPromise"
    text: "_StrPromise"
    submit: "_StrPromise"
    right: str
    audit: Action
    act: Callable[[Confirmed[M]], object]
    done: "_StrPromise | str" = ""
    not_now: "_StrPromise | str" = ""
    failed: "_StrPromise | str" = CAUSE  # the sentence around what keeps it from being done
    instead: tuple[Action, ...] = ()
    form: Callable[[HttpRequest, M], forms.Form] = reason_form
    cards: Callable[[M], Sequence[base.Card]] = no_cards
    blocked: "Callable[[M], _StrPromise | str]" = lambda _row: ""
    back: Callable[[M], str] = cells.page
    danger: bool = False
    grave: bool = False  # asks for the password again, or for a security key

    @property
    def recorded(self) -> Recorded:
        """Return what the log must say of it: nothing of the question, the action of what was done."""
        return Recorded(action=self.audit, methods=frozenset({"POST"}), instead=self.instead, acts=True)

    def page(self, model_admin: base.DocumentCenterAdmin[Any]) -> base.RowPage:
        """Return the page, within the frame of a list."""
        return base.RowPage(view=functools.partial(_answer, self, model_admin), right=self.right, audit=self.recorded)


def _answer(
    asked: Confirmation[M], model_admin: base.DocumentCenterAdmin[Any], request: HttpRequest, row: M
) -> HttpResponse:
    """Ask on GET; on POST do it and go back, or say on the same page why it cannot be done."""
    back, status = asked.back(row), int(HTTPStatus.OK)
    if request.method != "POST" and (why := asked.blocked(row)):
        messages.warning(request, why)
        return HttpResponseRedirect(back)
    form = asked.form(request, row)
    if asked.grave:
        form.fields["password"] = key_questions.password_field(request=request)
    if request.method == "POST":
        status, why = _attempt(asked=asked, form=form, row=row, request=request)
        if status == HTTPStatus.OK:
            navigation.forget(request=request)
            if asked.done:
                messages.success(request, asked.done)
            return HttpResponseRedirect(back)
        if why:
            form.add_error(None, why)
    question: dict[str, object] = {
        "title": asked.title,
        "text": asked.text,
        "submit": asked.submit,
        "danger": asked.danger,
    }
    if asked.grave:
        question["key"] = key_questions.ask_grave(request=request)
    return model_admin.render(
        request=request,
        row=row,
        template="admin/dc/confirm.html",
        context={**question, "form": form, "cards": asked.cards(row), "page": back, "model_meta": row._meta},
        status=status,
    )


def _attempt(*, asked: Confirmation[M], form: forms.Form, row: M, request: HttpRequest) -> tuple[int, str]:
    """Do what was confirmed; returns OK, or the status and the sentence of what keeps it from being done."""
    if not form.is_valid():
        return HTTPStatus.BAD_REQUEST, ""
    user, actor, now = rights.person(request=request), actors.actor(request=request), timezone.now()
    try:
        if asked.grave:
            key_questions.require(
                request=request,
                user=user,
                password=form.cleaned_data["password"],
                object_type=str(row._meta.model_name),
                object_id=cells.key(row),
                now=now,
            )
        done = asked.act(Confirmed(request=request, row=row, form=form, user=user, actor=actor, now=now))
    except (errors.Problem, calls.DependencyDown) as problem:
        status = problem.status if isinstance(problem, errors.Problem) else HTTPStatus.SERVICE_UNAVAILABLE
        cause = sentence(problem)
        return status, cause if asked.failed == CAUSE else str(asked.failed) % {"cause": cause.rstrip(".")}
    return (HTTPStatus.CONFLICT, str(asked.not_now)) if done is False else (HTTPStatus.OK, "")


def sentence(problem: Exception) -> str:
    """Return what went wrong as a sentence in the caller's language, without internals."""
    if isinstance(problem, errors.Problem):
        title = writing.title(code=problem.code, language=cells.locale())
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return title
        said = writing.of_problem(problem=problem, language=cells.locale())
        return title if said == title else f"{title}. {said}"
    return _("No disponible ahora: inténtalo en unos minutos.")
