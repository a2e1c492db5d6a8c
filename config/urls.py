"""The apps' rows of the access table, joined; nothing else is reachable."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path

from documents import errors
from documents import urls as documents_urls
from documents.access import problems, roles, routes
from documents.access.admission import Door, Ownership, Unrecorded
from documents.admin.site import site
from payouts import urls as payouts_urls


def home(request: HttpRequest) -> HttpResponse:
    """Send a person who opens the root to the Document Center."""
    return HttpResponseRedirect(settings.LOGIN_URL)


urlpatterns = [
    routes.route(
        "",
        home,
        name="home",
        door=Door.PUBLIC,
        roles=roles.PUBLIC,
        ownership=Ownership.NONE,
        audit=Unrecorded(reason="leads to the sign-in"),
    ),
    path("admin/", site.urls),  # each of its pages is declared with `routes.route`, too
    *payouts_urls.urlpatterns,  # before the last rows of the documents floor, which answer any address of the API
    *documents_urls.urlpatterns,
]


handler400 = problems.unreadable


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an address that does not exist."""
    return problems.respond(request=request, problem=errors.Problem(code="not_found"))


def handler500(request: HttpRequest) -> HttpResponse:
    """Answer a failure that nothing else has answered."""
    return problems.respond(request=request, problem=errors.Problem(code="internal_error"))
