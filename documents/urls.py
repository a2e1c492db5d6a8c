"""THE ACCESS MATRIX of the documents floor: every URL, who may come, whose things he sees, what the log says."""

from audit.actions import Action
from documents import access, health, panel, runbooks, webhooks
from documents.api import documents as api
from documents.panel import verification

urlpatterns = [
    access.route(
        "api/v1/events/",
        webhooks.events,
        name="events",
        roles=access.SIGNED,
        owner="its own types",
        audit=Action.EVENT_RECEIVED,
    ),
    access.route(
        "api/v1/documents/",
        api.Documents.as_view(),
        name="documents",
        roles=access.READERS,
        owner="country or party",
        audit=Action.DOCUMENT_LISTED,
    ),
    access.route(
        "api/v1/documents/<str:public_id>/",
        api.One.as_view(),
        name="document",
        roles=access.READERS,
        owner="country or party",
        audit=Action.DOCUMENT_VIEWED,
    ),
    access.route(
        "api/v1/documents/<str:public_id>/content/",
        api.Content.as_view(),
        name="document-content",
        roles=access.READERS,
        owner="country or party",
        audit=Action.DOCUMENT_DOWNLOADED,
    ),
    access.route(
        "api/v1/documents/<str:public_id>/data/",
        api.Data.as_view(),
        name="document-data",
        roles=access.READERS,
        owner="country or party",
        audit=Action.DOCUMENT_VIEWED,
    ),
    access.route(
        "l/<str:token>/",
        panel.landing,
        name="link",
        roles=access.LINK,
        owner="the link's document",
        audit=Action.LINK_SEEN,
    ),
    access.route(
        "l/<str:token>/open/",
        panel.open_session,
        name="link-open",
        roles=access.LINK,
        owner="the link's document",
        audit=Action.LINK_OPENED,
    ),
    access.route(
        "l/<str:token>/download/",
        panel.download,
        name="link-download",
        roles=access.LINK,
        owner="the link's document",
        audit=Action.DOCUMENT_DOWNLOADED,
    ),
    access.route(
        "l/<str:token>/page/<int:number>/",
        panel.preview,
        name="link-page",
        roles=access.LINK,
        owner="the link's document",
        audit=Action.DOCUMENT_PREVIEWED,
    ),
    access.route(
        "l/<str:token>/renew/",
        panel.renew,
        name="link-renew",
        roles=access.LINK,
        owner="the link's document",
        audit=Action.DELIVERY_RESENT,
    ),
    access.route(
        "l/<str:token>/report/",
        panel.report,
        name="link-report",
        roles=access.LINK,
        owner="the link's document",
        audit=Action.LINK_REVOKED,
    ),
    access.route(
        "l/<path:rest>", panel.unknown, name="link-unknown", roles=access.LINK, owner="none", audit=Action.ACCESS_DENIED
    ),
    access.route(
        "v/<str:code>",
        verification.verification,
        name="verification",
        roles=access.PUBLIC,
        owner="none",
        audit=Action.VERIFICATION_VIEWED,
    ),
    access.route(
        "runbooks/<slug:page>/", runbooks.runbook, name="runbook", roles=access.STAFF, owner="none", audit=None
    ),
    access.route("v/", verification.index, name="verification-index", roles=access.PUBLIC, owner="none", audit=None),
    access.route(
        "errors/<slug:code>/", verification.error_page, name="error", roles=access.PUBLIC, owner="none", audit=None
    ),
    access.route("healthz", health.healthz, name="healthz", roles=access.PUBLIC, owner="none", audit=None),
    access.route("readyz", health.readyz, name="readyz", roles=access.PUBLIC, owner="none", audit=None),
    access.route("metrics", health.metrics_page, name="metrics", roles=access.PUBLIC, owner="none", audit=None),
]
