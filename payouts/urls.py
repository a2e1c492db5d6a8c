"""THE ACCESS MATRIX of the payouts floor: every URL of its API and of the drivers' own, as `documents.urls` has its."""

import functools

from audit.actions import Action
from documents import urls as documents_urls
from documents.access import roles, routes
from documents.access.admission import Door, KeyScope, Ownership, Recorded, Timing, Unrecorded
from documents.api import documents, links
from payouts.api import corrections, parties, payouts, worklist
from payouts.panel import devices, periods, records, sessions, sharing, sign_in
from payouts.panel import views as panel

SAFE, POST = ("GET", "HEAD"), ("POST",)
_api = functools.partial(routes.route, door=Door.API, timing=Timing.DRIVERS)
_driver = functools.partial(_api, timing=Timing.EVERYBODY, roles=roles.OWNERS, scope=KeyScope.READ, methods=SAFE)
_decision = functools.partial(
    _api, roles=roles.RIGHTS["approve_difference"], scope=KeyScope.WORKLIST, ownership=Ownership.REACHED, methods=POST
)

_panel = functools.partial(
    routes.route, door=Door.WEB, roles=roles.OWNERS, entrance=sessions.entered, timing=Timing.EVERYBODY, methods=SAFE
)
_sign_in = functools.partial(
    routes.route, door=Door.WEB, roles=roles.PUBLIC, ownership=Ownership.NONE, methods=(*SAFE, *POST)
)

urlpatterns = [
    *(
        _panel(f"mis-documentos/{rest}", view, name=name, ownership=Ownership.PARTIES, audit=Action.DOCUMENT_LISTED)
        for rest, view, name in (
            ("", panel.home, "panel"),
            ("semana/<str:monday>/", panel.week, "panel-week"),
            ("periodo/<str:period>/", periods.show, "panel-period"),
            ("periodo/<str:period>/pdf/", periods.as_pdf, "panel-period-pdf"),
            ("periodo/<str:period>/csv/", periods.as_csv, "panel-period-csv"),
            ("periodo/<str:period>/zip/", periods.as_zip, "panel-period-zip"),
            ("vistas/", records.viewers, "panel-viewers"),
            ("falta/", records.look_up, "panel-missing"),
            ("compartidos/", sharing.shared, "panel-shared"),
            ("dispositivos/", devices.devices, "panel-devices"),
        )
    ),
    _panel(
        "mis-documentos/viaje/<str:trip>/",
        panel.trip,
        name="panel-trip",
        ownership=Ownership.TRIP,
        audit=Action.DOCUMENT_VIEWED,
    ),
    _panel(
        "mis-documentos/pdf/<str:public_id>/",
        panel.pdf,
        name="panel-pdf",
        ownership=Ownership.PARTY_OR_COUNTRY,
        audit=Action.DOCUMENT_DOWNLOADED,
    ),
    _panel(
        "mis-documentos/compartir/<str:public_id>/",
        sharing.share,
        name="panel-share",
        ownership=Ownership.PARTY_OR_COUNTRY,
        audit=Unrecorded(reason="the link is recorded itself, once for each form"),
        methods=(*SAFE, *POST),
    ),
    _panel(
        "mis-documentos/compartidos/<str:public_id>/anular/",
        sharing.end,
        name="panel-shared-end",
        ownership=Ownership.REACHED,
        source=links.LINKS,
        audit=Unrecorded(reason="the link that ends is recorded itself, once"),
        methods=POST,
    ),
    _panel(
        "mis-documentos/falta/aviso/",
        records.report,
        name="panel-report",
        ownership=Ownership.PARTIES,
        audit=Unrecorded(reason="the report is recorded itself, once for each form"),
        methods=POST,
    ),
    _panel(
        "mis-documentos/dispositivos/<str:public_id>/cerrar/",
        devices.end,
        name="panel-device-end",
        ownership=Ownership.PARTIES,
        audit=Unrecorded(reason="the session that ends is recorded itself"),
        methods=POST,
    ),
    _panel(
        "mis-documentos/salir/",
        sign_in.leave,
        name="panel-sign-out",
        ownership=Ownership.PARTIES,
        audit=Unrecorded(reason="each session that ends is recorded itself"),
        methods=POST,
    ),
    _sign_in(
        "mis-documentos/entrar/",
        sign_in.ask,
        name="panel-sign-in",
        audit=Unrecorded(reason="the mail that is queued is recorded itself, and an address that nobody has"),
    ),
    _sign_in(
        "mis-documentos/codigo/",
        sign_in.answer,
        name="panel-code",
        audit=Unrecorded(reason="the session that is opened is recorded itself, and a wrong code"),
    ),
    _api(
        "api/v1/documents/<str:public_id>/corrections/",
        corrections.Corrections.as_view(),
        name="document-corrections",
        roles=roles.RIGHTS["correct"],
        scope=KeyScope.CORRECTIONS,
        ownership=Ownership.PARTY_OR_COUNTRY,
        audit=Action.DOCUMENT_CORRECTED,
        methods=POST,
    ),
    _api(
        "api/v1/parties/<str:public_id>/",
        parties.PartyDetail.as_view(),
        name="party",
        roles=roles.RIGHTS["reveal"] | roles.OWNERS,
        scope=KeyScope.READ,
        ownership=Ownership.REACHED,
        source=parties.PARTIES,
        audit=Action.PARTY_VIEWED,
        methods=SAFE,
    ),
    _api(
        "api/v1/parties/<str:public_id>/contact/",
        parties.PartyContact.as_view(),
        name="party-contact",
        roles=roles.OWNERS,
        scope=KeyScope.CONTACT,
        ownership=Ownership.REACHED,
        source=parties.PARTIES,
        audit=Action.PARTY_CONTACT_CHANGED,
        methods=("PUT",),
    ),
    _api(
        "api/v1/payouts/",
        payouts.PayoutList.as_view(),
        name="payouts",
        roles=roles.READERS,
        scope=KeyScope.READ,
        ownership=Ownership.REACHED_LIST,
        source=payouts.PAYOUTS,
        audit=Action.PAYOUT_LISTED,
        methods=SAFE,
    ),
    _api(
        "api/v1/payouts/<str:payout_id>/",
        payouts.PayoutDetail.as_view(),
        name="payout",
        roles=roles.READERS,
        scope=KeyScope.READ,
        ownership=Ownership.REACHED,
        source=payouts.PAYOUTS,
        audit=Action.PAYOUT_VIEWED,
        methods=SAFE,
    ),
    routes.beside(
        _api(
            "api/v1/events/",
            worklist.EventList.as_view(),
            name="event-list",
            roles=roles.RIGHTS["reconcile"],
            scope=KeyScope.WORKLIST,
            ownership=Ownership.REACHED_LIST,
            source=worklist.EVENTS,
            audit=Action.EVENT_LISTED,
            methods=SAFE,
        ),
        other=documents_urls.INTAKE,
    ),
    _driver(
        "api/v1/driver/documents/",
        documents.DocumentList.as_view(),
        name="driver-documents",
        ownership=Ownership.PARTY_OR_COUNTRY_LIST,
        audit=Action.DOCUMENT_LISTED,
    ),
    _driver(
        "api/v1/driver/documents/<str:public_id>/",
        documents.DocumentDetail.as_view(),
        name="driver-document",
        parameters=documents.PARAMETERS,
        ownership=Ownership.PARTY_OR_COUNTRY,
        audit=Action.DOCUMENT_VIEWED,
    ),
    _driver(
        "api/v1/driver/documents/<str:public_id>/content/",
        documents.DocumentContent.as_view(),
        name="driver-document-content",
        ownership=Ownership.PARTY_OR_COUNTRY,
        audit=Action.DOCUMENT_DOWNLOADED,
        scope=KeyScope.CONTENT,
    ),
    _driver(
        "api/v1/driver/payouts/",
        payouts.PayoutList.as_view(),
        name="driver-payouts",
        ownership=Ownership.REACHED_LIST,
        source=payouts.PAYOUTS,
        audit=Action.PAYOUT_LISTED,
    ),
    _api(
        "api/v1/discrepancies/",
        worklist.DiscrepancyList.as_view(),
        name="discrepancies",
        roles=roles.RIGHTS["reconcile"],
        scope=KeyScope.WORKLIST,
        ownership=Ownership.REACHED_LIST,
        source=worklist.DISCREPANCIES,
        audit=Action.DISCREPANCY_LISTED,
        methods=SAFE,
    ),
    _decision(
        "api/v1/discrepancies/<str:public_id>/resolve/",
        worklist.DiscrepancyResolution.as_view(),
        name="discrepancy-resolve",
        source=worklist.DISCREPANCIES,
        audit=Action.DISCREPANCY_RESOLVED,
    ),
    _decision(
        "api/v1/events/<str:public_id>/approve-difference/",
        worklist.DifferenceApprovals.as_view(),
        name="event-approve-difference",
        source=worklist.EVENTS,
        audit=Recorded(action=Action.EVENT_DIFFERENCE_APPROVED, instead=(Action.EVENT_DIFFERENCE_REQUESTED,)),
    ),
    _decision(
        "api/v1/events/<str:public_id>/dismiss/",
        worklist.EventDismissal.as_view(),
        name="event-dismiss",
        source=worklist.EVENTS,
        audit=Action.EVENT_DISMISSED,
    ),
    _decision(
        "api/v1/events/<str:public_id>/retry/",
        worklist.EventRetry.as_view(),
        name="event-retry",
        source=worklist.EVENTS,
        audit=Action.EVENT_RETRIED,
    ),
]
