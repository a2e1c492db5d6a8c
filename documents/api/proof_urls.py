"""THE ACCESS MATRIX of what the sealed log proves: rows of `documents.urls` in a file of their own."""

import functools

from audit.actions import Action
from documents.access import roles, routes
from documents.access.admission import Door, KeyScope, Ownership, Timing, Unrecorded
from documents.api import pagination, proofs

_api = functools.partial(
    routes.route,
    door=Door.API,
    roles=roles.RIGHTS["audit"],
    methods=("GET", "HEAD"),
    scope=KeyScope.READ,
    timing=Timing.NOBODY,
)

urlpatterns = [
    _api(
        "api/v1/documents/<str:public_id>/proof/",
        proofs.DocumentProof.as_view(),
        name="document-proof",
        ownership=Ownership.PARTY_OR_COUNTRY,
        audit=Action.DOCUMENT_VIEWED,
    ),
    _api(
        "api/v1/documents/<str:public_id>/evidence/",
        proofs.DocumentEvidence.as_view(),
        name="document-evidence",
        ownership=Ownership.PARTY_OR_COUNTRY,
        audit=Action.DOCUMENT_EVIDENCE_TAKEN,
        scope=KeyScope.CONTENT,
    ),
    *(
        _api(
            f"api/v1/audit/{name}/",
            view.as_view(),
            name=f"audit-{name}",
            ownership=Ownership.NONE,
            audit=Unrecorded(reason="how far the log was sealed when, and nothing of anybody"),
            parameters=parameters,
        )
        for name, view, parameters in (
            ("checkpoints", proofs.CheckpointList, pagination.PARAMETERS),
            ("consistency", proofs.Consistency, proofs.SIZES),
        )
    ),
]
