"""THE ACCESS MATRIX of the documents floor: every URL, who may come, whose things he sees, what the log says."""

from audit.actions import Action
from documents import access, health, panel, webhooks
from documents.api import documents as api

urlpatterns = [
    access.route(
        "api/v1/events/", webhooks.events, name="events", roles=access.SIGNED, owner="its own types", audit=Action.EVENT_RECEIVED
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
    access.route("healthz", health.healthz, name="healthz", roles=access.PUBLIC, owner="none", audit=None),
    access.route("readyz", health.readyz, name="readyz", roles=access.PUBLIC, owner="none", audit=None),
    access.route("metrics", health.metrics, name="metrics", roles=access.PUBLIC, owner="none", audit=None),
]
