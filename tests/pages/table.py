"""TABLE: every page of the panel, of links and of signing in, with how a person reaches it, and what is no page."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tests.pages.world import PageWorld

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as HttpResponse


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShownPage:
    """One page in one state: at which routes it is, and how it is reached."""

    name: str
    at: str
    show: Callable[[PageWorld], "HttpResponse"]
    status: int = 200


# Routes of these doors that answer a GET, or a form, with something else than a page of their own.
NO_PAGE: Mapping[str, str] = {
    "home": "leads to the sign-in of staff",
    "panel-period-csv": "a file",
    "panel-period-zip": "a file",
    "panel-period-pdf": "a file",
    "panel-pdf": "a file",
    "panel-shared-end": "leads back to the list",
    "panel-report": "leads back to the look-up",
    "panel-device-end": "leads back to the list",
    "panel-sign-out": "leads to the sign-in",
    "link-open": "leads to the link's page",
    "link-code": "leads to the link's page",
    "link-renew": "leads to the link's page",
    "link-download": "a file",
    "link-download-of-week": "a file",
    "link-view": "leads to the file",
    "link-view-of-week": "leads to the file",
    "link-file": "a file",
    "link-file-of-week": "a file",
    "link-page": "a picture",
    "link-page-of-week": "a picture",
    "runbook": "documentation for staff at a desk, as it was written",
    "api-description": "a file",
    "healthz": "for machines",
    "readyz": "for machines",
    "metrics": "for machines",
    "logout": "leads to the sign-in",
}
# The Document Center's own pages are for a desk; of it, these are what stands before it.
ENTRANCE = frozenset(
    {
        *("login", "code", "logout", "unlock", "password_change", "password_change_done"),
        *("factor", "factors", "factor_key", "factor_name", "factor_remove"),
    }
)
