"""Views whose address is a secret: no answer of theirs is logged with its path."""

import functools
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from documents import errors
from documents.access import pages, problems

View = Callable[..., HttpResponse]


def view(*methods: str) -> Callable[[View], View]:
    """Wrap a view whose address is a secret, because Django logs the path of every answer from 400 on.

    Errors are answered here: Django would log an exception, or a wrong method, with its path. Without `methods` every
    method is allowed.
    """

    def wrap(view: View) -> View:
        @functools.wraps(view)
        def quiet(request: HttpRequest, **parts: object) -> HttpResponse:
            try:
                _check_method(request=request, methods=methods)
                response = view(request, **parts)
            except Exception as error:  # noqa: BLE001 - named, logged without its path, and answered
                problem = problems.translate(exception=error) or errors.Problem(code="not_found")
                response = problems.respond(request=request, problem=problem)
                if problem.code == "method_not_allowed":
                    response.headers["Allow"] = ", ".join(methods)
            response._has_been_logged = True  # type: ignore[attr-defined] # noqa: SLF001 - Django's switch
            return pages.secure_headers(response=response)

        return quiet

    return wrap


def _check_method(*, request: HttpRequest, methods: tuple[str, ...]) -> None:
    """Refuse a method that is not among those named; none named means any.

    :raises errors.Problem: `method_not_allowed`
    """
    if methods and request.method not in methods:
        raise errors.Problem(code="method_not_allowed")
