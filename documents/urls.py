"""THE ACCESS MATRIX of the documents floor: every URL, who may come, whose things he sees, what the log says."""

from audit.actions import Action
from documents.access import roles, routes
from documents.api import documents
from documents.link_pages import verification, views
from documents.operations import health, runbooks
from documents.webhooks import inbound

urlpatterns = [
    routes.route(
        "api/v1/events/",
        inbound.events,
        name="events",
        roles=roles.SIGNED,
        owner="its own types",
        audit=Action.EVENT_RECEIVED,
    ),
    routes.route(
        "api/v1/documents/",
        documents.DocumentList.as_view(),
        name="documents",
        roles=roles.READERS,
        owner="country or party",
        audit=Action.DOCUMENT_LISTED,
    ),
    routes.route(
        "api/v1/documents/<str:public_id>/",
        documents.DocumentDetail.as_view(),
        name="document",
        roles=roles.READERS,
        owner="country or party",
        audit=Action.DOCUMENT_VIEWED,
    ),
    routes.route(
        "api/v1/documents/<str:public_id>/content/",
        documents.DocumentContent.as_view(),
        name="document-content",
        roles=roles.READERS,
        owner="country or party",
        audit=Action.DOCUMENT_DOWNLOADED,
    ),
    routes.route(
        "api/v1/documents/<str:public_id>/data/",
        documents.DocumentData.as_view(),
        name="document-data",
        roles=roles.READERS,
        owner="country or party",
        audit=Action.DOCUMENT_VIEWED,
    ),
    routes.route(
        "l/<str:token>/",
        views.landing,
        name="link",
        roles=roles.LINK,
        owner="the link's document",
        audit=Action.LINK_SEEN,
    ),
    routes.route(
        "l/<str:token>/open/",
        views.open_session,
        name="link-open",
        roles=roles.LINK,
        owner="the link's document",
        audit=Action.LINK_OPENED,
    ),
    routes.route(
        "l/<str:token>/download/",
        views.download,
        name="link-download",
        roles=roles.LINK,
        owner="the link's document",
        audit=Action.DOCUMENT_DOWNLOADED,
    ),
    routes.route(
        "l/<str:token>/page/<int:number>/",
        views.preview,
        name="link-page",
        roles=roles.LINK,
        owner="the link's document",
        audit=Action.DOCUMENT_PREVIEWED,
    ),
    routes.route(
        "l/<str:token>/renew/",
        views.renew,
        name="link-renew",
        roles=roles.LINK,
        owner="the link's document",
        audit=Action.DELIVERY_RESENT,
    ),
    routes.route(
        "l/<str:token>/report/",
        views.report,
        name="link-report",
        roles=roles.LINK,
        owner="the link's document",
        audit=Action.LINK_REVOKED,
    ),
    routes.route(
        "l/<path:rest>", views.unknown, name="link-unknown", roles=roles.LINK, owner="none", audit=Action.ACCESS_DENIED
    ),
    routes.route(
        "v/<str:code>",
        verification.verification,
        name="verification",
        roles=roles.PUBLIC,
        owner="none",
        audit=Action.VERIFICATION_VIEWED,
    ),
    routes.route(
        "runbooks/<slug:page>/", runbooks.runbook, name="runbook", roles=roles.STAFF, owner="none", audit=None
    ),
    routes.route("v/", verification.index, name="verification-index", roles=roles.PUBLIC, owner="none", audit=None),
    routes.route(
        "errors/<slug:code>/", verification.error_page, name="error", roles=roles.PUBLIC, owner="none", audit=None
    ),
    routes.route("healthz", health.healthz, name="healthz", roles=roles.PUBLIC, owner="none", audit=None),
    routes.route("readyz", health.readyz, name="readyz", roles=roles.PUBLIC, owner="none", audit=None),
    routes.route("metrics", health.metrics_page, name="metrics", roles=roles.PUBLIC, owner="none", audit=None),
]
