"""THE ACCESS MATRIX of the documents floor: every URL, its door, who may come, whose things, what the log must say."""

import functools

from audit.actions import Action
from documents.access import idempotency, problems, roles, routes
from documents.access.admission import Door, KeyScope, Ownership, Recorded, Timing, Unrecorded
from documents.api import documents, holds, links, proof_urls, reading, reference, verifying
from documents.link_pages import files, invitations, opening, verification, views
from documents.operations import health, runbooks
from documents.webhooks import inbound

SAFE, POST = ("GET", "HEAD"), ("POST",)
_api = functools.partial(routes.route, door=Door.API, roles=roles.READERS, scope=KeyScope.READ, timing=Timing.DRIVERS)
_link = functools.partial(routes.route, door=Door.LINK, roles=roles.LINK, ownership=Ownership.LINK)
_public = functools.partial(routes.route, door=Door.PUBLIC, roles=roles.PUBLIC)

# The payouts floor lists events at the same address.
INTAKE = routes.route(
    "api/v1/events/",
    inbound.events,
    name="events",
    door=Door.WEBHOOK,
    roles=roles.SIGNED,
    ownership=Ownership.SIGNATURE,
    audit=Recorded(action=Action.EVENT_RECEIVED, instead=(Action.EVENT_REPEATED,)),
    methods=POST,
)
_hold = functools.partial(_api, roles=roles.RIGHTS["hold"], scope=KeyScope.CUSTODY)
_document_links = functools.partial(
    _api,
    "api/v1/documents/<str:public_id>/links/",
    roles=roles.RIGHTS["send"],
    ownership=Ownership.PARTY_OR_COUNTRY,
    scope=KeyScope.LINKS,
)
LINK_MAKING = _document_links(links.LinkMaking.as_view(), name="link-create", audit=Action.LINK_CREATED, methods=POST)
HOLDS_SET = _hold(
    "api/v1/holds/",
    holds.HoldSetting.as_view(),
    name="hold-set",
    ownership=Ownership.COUNTRIES,
    audit=Action.HOLD_SET,
    methods=POST,
)

urlpatterns = [
    INTAKE,
    *proof_urls.urlpatterns,
    _api(
        "api/v1/documents/",
        documents.DocumentList.as_view(),
        name="documents",
        ownership=Ownership.PARTY_OR_COUNTRY_LIST,
        audit=Action.DOCUMENT_LISTED,
        methods=SAFE,
    ),
    _api(
        "api/v1/documents/<str:public_id>/",
        documents.DocumentDetail.as_view(),
        name="document",
        ownership=Ownership.PARTY_OR_COUNTRY,
        audit=Action.DOCUMENT_VIEWED,
        parameters=documents.PARAMETERS,
    ),
    _api(
        "api/v1/documents/<str:public_id>/content/",
        documents.DocumentContent.as_view(),
        name="document-content",
        ownership=Ownership.PARTY_OR_COUNTRY_UNMASKED,
        audit=Action.DOCUMENT_DOWNLOADED,
        scope=KeyScope.CONTENT,
        methods=SAFE,
    ),
    _api(
        "api/v1/documents/<str:public_id>/data/",
        documents.DocumentData.as_view(),
        name="document-data",
        ownership=Ownership.PARTY_OR_COUNTRY_UNMASKED,
        audit=Action.DOCUMENT_VIEWED,
        methods=SAFE,
    ),
    _api(
        "api/v1/documents/<str:public_id>/timeline/",
        documents.DocumentTimeline.as_view(),
        name="document-timeline",
        ownership=Ownership.PARTY_OR_COUNTRY,
        audit=Action.DOCUMENT_VIEWED,
        methods=SAFE,
    ),
    _api(
        "api/v1/documents/<str:public_id>/verify/",
        verifying.DocumentVerification.as_view(),
        name="document-verify",
        roles=roles.RIGHTS["reveal"],
        ownership=Ownership.PARTY_OR_COUNTRY,
        audit=Recorded(action=Action.DOCUMENT_VERIFIED, instead=(Action.DOCUMENT_VERIFIED,)),  # whatever it found
        scope=KeyScope.CUSTODY,
        methods=POST,
        is_repeatable=True,
    ),
    _api(
        "api/v1/documents/<str:public_id>/retry/",
        documents.DocumentRetry.as_view(),
        name="document-retry",
        roles=roles.RIGHTS["retry"],
        ownership=Ownership.PARTY_OR_COUNTRY,
        audit=Action.DOCUMENT_RETRIED,
        scope=KeyScope.CUSTODY,
        methods=POST,
    ),
    _api(
        "api/v1/documents/<str:public_id>/release/",
        idempotency.asking_first(verifying.DocumentRelease.as_view(), outside=verifying.look),
        name="document-release",
        roles=roles.RIGHTS["release"],
        ownership=Ownership.PARTY_OR_COUNTRY,
        audit=Action.DOCUMENT_RELEASED,
        scope=KeyScope.CUSTODY,
        methods=POST,
    ),
    routes.beside(
        _document_links(
            links.DocumentLinks.as_view(), name="document-links", audit=Action.DOCUMENT_VIEWED, methods=SAFE
        ),
        other=LINK_MAKING,
    ),
    LINK_MAKING,
    _api(
        "api/v1/links/<str:public_id>/revoke/",
        links.LinkRevocation.as_view(),
        name="link-revoke",
        roles=roles.RIGHTS["send"],
        ownership=Ownership.REACHED,
        source=links.LINKS,
        audit=Action.LINK_REVOKED,
        scope=KeyScope.LINKS,
        methods=POST,
    ),
    _api(
        "api/v1/links/<str:public_id>/resend/",
        links.LinkResending.as_view(),
        name="link-resend",
        roles=roles.RIGHTS["send"],
        ownership=Ownership.REACHED,
        source=links.LINKS,
        audit=Recorded(action=Action.DELIVERY_RESENT, instead=(Action.DELIVERY_QUEUED,)),
        scope=KeyScope.LINKS,
        methods=POST,
    ),
    routes.beside(
        _hold(
            "api/v1/holds/",
            holds.HoldList.as_view(),
            name="holds",
            ownership=Ownership.REACHED_LIST,
            source=holds.HOLDS,
            audit=Action.HOLD_LISTED,
            methods=SAFE,
        ),
        other=HOLDS_SET,
    ),
    HOLDS_SET,
    *(
        _hold(
            f"api/v1/holds/<str:public_id>/{step}/",
            view.as_view(),
            name=f"hold-{step}",
            ownership=Ownership.REACHED,
            source=holds.HOLDS,
            audit=action,
            methods=POST,
        )
        for step, view, action in (
            ("release", holds.HoldRelease, Action.HOLD_RELEASE_REQUESTED),
            ("approve", holds.HoldApproval, Action.HOLD_RELEASED),
        )
    ),
    *(
        _api(
            f"api/v1/{name}/",
            view.as_view(),
            name=name,
            roles=roles.STAFF | roles.OWNERS,
            ownership=Ownership.NONE,
            audit=Unrecorded(reason=reason),
            methods=SAFE,
        )
        for name, view, reason in (
            ("me", reference.Me, "what the caller may do, and of nobody else"),
            ("document-kinds", reference.DocumentKinds, "what kinds there are"),
            ("countries", reference.Countries, "what countries there are"),
        )
    ),
    _link(
        "l/<str:token>/",
        views.landing,
        name="link",
        audit=Recorded(action=Action.LINK_SEEN, once="seen_at"),
        methods=SAFE,
    ),
    _link(
        "l/<str:token>/<int:place>/",
        views.of_week,
        name="link-of-week",
        audit=Recorded(action=Action.LINK_SEEN, once="seen_at"),
        methods=SAFE,
    ),
    *(
        _link(f"l/<str:token>/{rest}/", view, name=f"link-{name}", audit=audit, methods=methods)
        for rest, view, name, audit, methods in (
            ("open", opening.open_session, "open", Recorded(action=Action.LINK_OPENED), POST),
            # A code, or a new link, is sent or not; the answer is the same: who asks learns nothing.
            ("code", opening.mail_code, "code", Recorded(action=Action.DELIVERY_QUEUED), POST),
            ("renew", views.renew, "renew", Recorded(action=Action.DELIVERY_RESENT), POST),
            (
                "report",
                views.report,
                "report",
                Recorded(action=Action.LINK_REVOKED, methods=frozenset(POST), once="revoked_at"),
                (*SAFE, *POST),
            ),
        )
    ),
    *(
        _link(f"l/<str:token>/{place}{rest}", view, name=f"link-{name}{of}", audit=action, methods=methods)
        for place, of in (("", ""), ("<int:place>/", "-of-week"))
        for rest, view, name, action, methods in (
            ("download/", files.download, "download", Action.DOCUMENT_DOWNLOADED, POST),
            ("view/", files.view, "view", Action.DOCUMENT_VIEWED, POST),
            ("file/", files.file, "file", Action.DOCUMENT_VIEWED, SAFE),
            ("page/<int:number>/", files.preview, "page", Action.DOCUMENT_PREVIEWED, SAFE),
        )
    ),
    _link("l/<path:rest>", views.unknown, name="link-unknown", audit=Action.ACCESS_DENIED),
    routes.route(
        "invitation/<str:token>/",
        invitations.choose,
        name="invitation",
        door=Door.LINK,
        roles=roles.LINK,
        ownership=Ownership.INVITATION,
        audit=Recorded(action=Action.CREDENTIAL_CHANGED, methods=frozenset(POST), acts=True),
        methods=(*SAFE, *POST),
    ),
    _public(
        "v/<str:code>",
        verification.verification,
        name="verification",
        ownership=Ownership.CODE,
        audit=Action.VERIFICATION_VIEWED,
        methods=(*SAFE, *POST),
    ),
    routes.route(
        "runbooks/<slug:page>/",
        runbooks.runbook,
        name="runbook",
        door=Door.WEB,
        roles=roles.STAFF,
        ownership=Ownership.NONE,
        audit=Unrecorded(reason="a page of the documentation"),
    ),
    *(
        _public(pattern, view, name=name, ownership=Ownership.NONE, audit=Unrecorded(reason=reason))
        for pattern, view, name, reason in (
            ("v/", verification.index, "verification-index", "asks for a code"),
            ("errors/<slug:code>/", verification.error_page, "error", "explains a code of ours"),
            ("docs/api/", reading.index, "api-reading", "a page of the documentation"),
            ("docs/api/<slug:name>/", reading.schema, "api-schema", "a page of the documentation"),
            ("docs/openapi.yaml", reading.description, "api-description", "a page of the documentation"),
            ("healthz", health.healthz, "healthz", "says that the process answers"),
            ("readyz", health.readyz, "readyz", "says which dependencies answer"),
            ("metrics", health.metrics_page, "metrics", "counts, without names or ids"),
        )
    ),
    *(
        routes.route(
            pattern,
            problems.unknown,
            name=name,
            door=Door.API,
            roles=roles.PUBLIC,
            ownership=Ownership.NONE,
            audit=Unrecorded(reason="there is nothing at this address"),
        )
        for pattern, name in (("api/", "api"), ("api/<path:rest>", "api-unknown"))
    ),
]
