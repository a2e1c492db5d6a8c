"""Routes whose address is a secret: no answer of theirs is logged with its path."""

import functools
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from documents import errors
from documents.access import pages, problems
from documents.access.admission import View


def quiet(view: View) -> View:
    """Wrap what a route leads to, because Django logs the path of every answer from 400 on, and of every exception."""

    @functools.wraps(view)
    def answered(request: HttpRequest, **parts: Any) -> HttpResponseBase:
        try:
            response = view(request, **parts)
        except Exception as error:  # noqa: BLE001 - named, logged without its path, and answered
            problem = problems.translate(exception=error) or errors.Problem(code="not_found")
            response = problems.respond(request=request, problem=problem)
        response._has_been_logged = True  # type: ignore[attr-defined] # noqa: SLF001 - Django's switch
        return pages.secure_headers(response=response)

    return answered
