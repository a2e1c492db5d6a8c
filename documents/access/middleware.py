"""What every request gets: an id, a line in the log, an address without NUL, and headers for caches."""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import cast
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django_structlog.middlewares import RequestMiddleware
from structlog import contextvars

from documents import identifiers, latency
from documents.access import admission, problems, rates, roles

HEALTH = frozenset({"/healthz", "/readyz", "/metrics"})
NUL, REPLACED = "\x00", "\ufffd"
VARY = ("Accept", "Accept-Language", "Authorization", "Cookie")  # what an answer of the API depends on


class NamedRequest(HttpRequest):
    """A request that has its id, and its start by the monotonic clock in seconds."""

    request_id: str
    started_s: float


class RequestLog(RequestMiddleware):
    """Middleware: give each request an id for log, answer and error, and log its end: the access log.

    The line has the route's pattern in the place of the address, which may hold the token of a link.
    """

    def prepare(self, request: HttpRequest) -> None:
        """Give the request its id, and bind that to every line that is logged until its end."""
        request_id = cast("NamedRequest", request).request_id = identifiers.new(prefix="req")
        contextvars.clear_contextvars()
        contextvars.bind_contextvars(request=request_id)
        cast("NamedRequest", request).started_s = time.monotonic()

    def handle_response(self, request: HttpRequest, response: HttpResponse) -> None:
        """Log the request with what it took."""
        contextvars.bind_contextvars(ms=round((time.monotonic() - cast("NamedRequest", request).started_s) * 1000, 1))
        super().handle_response(request, response)

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        """Return method and pattern of the route; nothing of what the caller has written."""
        match = request.resolver_match
        return f"{request.method} /{match.route if match else '-'}"


class HealthByAddress:
    """Middleware: whoever asks for the service's health asks a process by its address, and no host by its name."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Let a probe pass for one that has named the host."""
        if request.path_info in HEALTH:
            request.META["HTTP_HOST"] = urlsplit(settings.PUBLIC_URL).netloc
        return self.get_response(request)


class DriverLatency:
    """Middleware: time the answers to drivers, as the routes say; one that says "later" (429) took no time."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Run the request and count how long it took, by the country that its answer is about."""
        began_s = time.perf_counter()
        response = self.get_response(request)
        took_s = time.perf_counter() - began_s
        if response.status_code != HTTPStatus.TOO_MANY_REQUESTS and _is_for_driver(request=request):
            latency.observe(country=latency.country_of(request=request), seconds=took_s)
        return response


def _is_for_driver(*, request: HttpRequest) -> bool:
    """Tell whether an answer went to a driver; where PostgreSQL is away only a route for drivers alone says so."""
    timing = admission.timing_of(request=request)
    if timing is not admission.Timing.DRIVERS:
        return timing is admission.Timing.EVERYBODY
    try:
        return roles.Role.DRIVER in roles.reading_as(user=getattr(request, "user", None))
    except (DatabaseError, InterfaceError):
        return False


class RequestContext:
    """Middleware: answer problems; replace NUL in what comes in; tell caches what an answer depends on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Run the request and send its id with the answer."""
        _replace_nul(request=request)
        response = self.get_response(request)
        if admission.answers_json(request=request):
            if response.status_code >= HTTPStatus.BAD_REQUEST:
                response = problems.ensure(request=request, response=response)
            response.setdefault("Cache-Control", "no-store")
            rates.say(request=request, response=response)
            patch_vary_headers(response, VARY)
        response["Request-Id"] = cast("NamedRequest", request).request_id
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer a problem that a view raised."""
        return problems.from_exception(request=request, exception=exception)


def _replace_nul(*, request: HttpRequest) -> None:
    """Replace each NUL of address, query and cookies by U+FFFD, as Django does with bytes that are not UTF-8.

    PostgreSQL stores no NUL in a text: a query for one is an error, not an id that no row has. Replaced here, it is
    such an id, and every door refuses it like any unknown one. Forms refuse a NUL themselves.
    """
    request.path = request.path.replace(NUL, REPLACED)
    request.path_info = request.path_info.replace(NUL, REPLACED)
    query = request.META.get("QUERY_STRING", "")
    request.META["QUERY_STRING"] = query.replace(NUL, "%00").replace("%00", quote(REPLACED))
    for name, value in request.COOKIES.items():
        request.COOKIES[name] = value.replace(NUL, REPLACED)  # a quoted cookie spells it \000
