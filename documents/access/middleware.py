"""What every request gets: an id, its language, and headers that keep caches apart."""

from collections.abc import Callable
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from documents import identifiers
from documents.access import problems

NUL, REPLACED = "\x00", "\ufffd"
VARY = ("Accept", "Accept-Language", "Authorization", "Cookie")  # what an answer of the API depends on


class RequestContext:
    """Middleware: a request id for log, answer and error; problems become problem+json or a page; no NUL comes in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Name the request, run it and sign the answer with the name."""
        _replace_nul(request=request)
        request.request_id = identifiers.new(prefix="req")  # type: ignore[attr-defined]  # ours, on a class that has no slot for it
        response = self.get_response(request)
        if response.status_code >= 400 and request.path.startswith("/api/"):  # noqa: PLR2004 - HTTP
            response = problems.ensure(request=request, response=response)
        if request.path.startswith("/api/"):
            response.setdefault("Cache-Control", "no-store")
            patch_vary_headers(response, VARY)
        response["Request-Id"] = request.request_id  # type: ignore[attr-defined]  # ours, on a class that has no slot for it
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer a problem that a view raised."""
        return problems.from_exception(request=request, exception=exception)


def _replace_nul(*, request: HttpRequest) -> None:
    """Replace each NUL of address, query and cookies as Django does what is no UTF-8: by U+FFFD.

    No text of PostgreSQL holds a NUL: to ask for one is an error there, not an id that nobody has. Replaced at the one
    entrance it is such an id, and every door refuses it as it refuses any unknown one. Forms refuse it themselves.
    """
    request.path = request.path.replace(NUL, REPLACED)
    request.path_info = request.path_info.replace(NUL, REPLACED)
    query = request.META.get("QUERY_STRING", "")
    request.META["QUERY_STRING"] = query.replace(NUL, "%00").replace("%00", quote(REPLACED))
    for name, value in request.COOKIES.items():
        request.COOKIES[name] = value.replace(NUL, REPLACED)  # a quoted cookie spells it \000
