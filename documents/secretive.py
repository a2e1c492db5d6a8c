"""Views whose address is a secret: nothing they answer may be logged with its path."""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponse

from documents import errors, pages, problems

P = ParamSpec("P")


def view(
    *methods: str,
) -> Callable[[Callable[Concatenate[HttpRequest, P], HttpResponse]], Callable[Concatenate[HttpRequest, P], HttpResponse]]:
    """This function will wrap a view whose address is a secret: Django logs the path of every answer from 400 on.

    Errors are answered here, since one that gets out is logged with its path, too; so would a wrong method be. No
    methods means any.
    """

    def wrap(
        view: Callable[Concatenate[HttpRequest, P], HttpResponse],
    ) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
        @functools.wraps(view)
        def quiet(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            try:
                if methods and request.method not in methods:
                    raise errors.Problem(code="method_not_allowed")
                response = view(request, *args, **kwargs)
            except Exception as error:  # noqa: BLE001 - named, logged without its path, and answered
                problem = problems.translate(exception=error) or errors.Problem(code="not_found")
                response = problems.respond(request=request, problem=problem)
                if problem.code == "method_not_allowed":
                    response.headers["Allow"] = ", ".join(methods)
            response._has_been_logged = True  # type: ignore[attr-defined] # noqa: SLF001 - the one switch that Django offers
            return pages.seal(response=response)

        return quiet

    return wrap
