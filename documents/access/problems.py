"""Refusals and failures as people and programs read them: problem+json (RFC 9457) or a page, by the door."""

import logging
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest, DisallowedHost, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions

from audit import log
from documents import errors, formatting
from documents.access import actors, admission, pages, roles
from documents.resilience import calls
from documents.sentences import writing

logger = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
# The codes of ours for what Django itself answers.
_BY_STATUS = {
    400: "validation_error",
    401: "not_authenticated",
    403: "role_not_allowed",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "payload_too_large",
    415: "unsupported_media_type",
    429: "throttled",
    503: "dependency_degraded",
}


def body(*, request: HttpRequest, problem: errors.Problem) -> dict[str, object]:
    """Return the members of the problem document."""
    row, language = problem.row, formatting.language()
    return {
        "type": f"{settings.PUBLIC_URL}/errors/{problem.code}/",
        "title": row.en if language == "en" else row.es,
        "status": problem.status,
        "code": problem.code,
        "detail": writing.of_problem(problem=problem, language=language),
        "values": problem.values,
        "request_id": getattr(request, "request_id", ""),
        "retryable": row.retryable,
        "errors": writing.answered(stored=[fault.as_json() for fault in problem.errors], language=language),
    }


def respond(*, request: HttpRequest, problem: errors.Problem) -> HttpResponse:
    """Answer a problem in the form the caller reads: problem+json at the doors for programs, a page elsewhere."""
    response: HttpResponse
    if admission.answers_json(request=request):
        response = JsonResponse(body(request=request, problem=problem), status=problem.status, content_type=MEDIA_TYPE)
    else:
        response = pages.page(
            request=request,
            template="web/error.html",
            context={**body(request=request, problem=problem), "home": _home(request=request)},
            status=problem.status,
        )
    if problem.code == "method_not_allowed" and (methods := admission.methods_of(request=request)):
        response["Allow"] = ", ".join(sorted(methods))
    if problem.row.retryable and (problem.status >= HTTPStatus.TOO_MANY_REQUESTS or "wait_s" in problem.values):
        response["Retry-After"] = str(problem.values.get("wait_s", RETRY_AFTER_S))
    if problem.status == HTTPStatus.UNAUTHORIZED and admission.door_of(request=request) is admission.Door.API:
        response["WWW-Authenticate"] = "Bearer"
    response["Cache-Control"] = "no-store"
    return response


def _home(*, request: HttpRequest) -> str:
    """Return the first page of the owners' own pages where a refusal is one of theirs; "" elsewhere."""
    rule = admission.rule_of(request=request)
    theirs = rule is not None and rule.door is admission.Door.WEB and rule.roles <= roles.OWNERS
    return f"/{request.path.split('/')[1]}/" if theirs else ""


def from_exception(*, request: HttpRequest, exception: Exception) -> HttpResponse | None:
    """Answer what a view raised; None leaves the answer to Django."""
    problem = translate(exception=exception)
    return None if problem is None else respond(request=request, problem=problem)


def translate(*, exception: Exception) -> errors.Problem | None:  # noqa: PLR0911 - a table in the shape of ifs
    """Return the problem of an exception, with a code of ours; None where Django's own answer is right."""
    if isinstance(exception, errors.Problem):
        return exception
    if isinstance(exception, log.AuditUnavailable):
        return errors.Problem(code="audit_unavailable")
    if isinstance(exception, calls.DependencyDown):
        return errors.Problem(code="worm_unavailable" if exception.dependency == "vault" else "dependency_degraded")
    if isinstance(exception, OperationalError | InterfaceError):
        calls.note_database_error(cause=exception)
        return errors.Problem(code="dependency_degraded", values={"dependency": "postgresql"})
    if isinstance(exception, Http404):
        return errors.Problem(code="not_found")
    if isinstance(exception, RequestDataTooBig):
        return errors.Problem(code="payload_too_large")
    if isinstance(exception, BadRequest | MultiPartParserError):  # a form that cannot be read
        return errors.Problem(code="validation_error")
    if isinstance(exception, PermissionDenied | SuspiciousOperation):
        return None
    logger.error("request.failed", exc_info=exception)
    return errors.Problem(code="internal_error")


def unreadable(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django itself does not take: the handler of status 400.

    A Host of nobody's is mostly a proxy that does not pass the name on: the log says so, without what was sent.
    """
    if isinstance(exception, DisallowedHost):
        logger.info("request.refused", extra={"code": "host_not_allowed"})
        problem = errors.Problem(code="host_not_allowed", values={"public_url": settings.PUBLIC_URL})
    else:
        problem = errors.Problem(code="validation_error")
    return respond(request=request, problem=problem)


def rest(exception: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """Answer an exception of a DRF view as the middleware would: DRF's exception handler."""
    request = context["request"]._request  # DRF wraps the request
    if isinstance(exception, exceptions.PermissionDenied):  # a form's token: everything else the guard has checked
        return csrf_failure(request)
    if isinstance(exception, exceptions.APIException):
        code = _BY_STATUS.get(exception.status_code, "internal_error")
        if isinstance(exception, exceptions.ParseError):
            code = "malformed_json"
        return respond(request=request, problem=errors.Problem(code=code))
    return from_exception(request=request, exception=exception)


def ensure(*, request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Make an error answer to a program a problem document, whoever wrote it."""
    if response.headers.get("Content-Type", "").startswith(MEDIA_TYPE):
        return response
    code = _BY_STATUS.get(response.status_code, "internal_error")
    answer = respond(request=request, problem=errors.Problem(code=code))
    answer.status_code = response.status_code
    for name in ("Allow", "Retry-After", "WWW-Authenticate"):
        if name in response.headers:
            answer[name] = response.headers[name]
    return answer


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Refuse a form without its token, on record: the setting CSRF_FAILURE_VIEW."""
    name = request.resolver_match.view_name if request.resolver_match else ""
    log.deny(actor=actors.actor(request=request), object_type="route", object_id=name, code="csrf_failed")
    return respond(request=request, problem=errors.Problem(code="csrf_failed"))


@csrf_exempt  # so that a POST is told, too, that there is nothing
def unknown(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Answer an address that does not exist.

    :raises errors.Problem: `not_found`
    """
    raise errors.Problem(code="not_found")
