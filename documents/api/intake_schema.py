"""What the OpenAPI document says of the intake, whose view is none of DRF's: its headers, and its answers by status."""

from collections.abc import Mapping
from http import HTTPStatus

from documents import errors
from documents.models import EventStatus
from documents.webhooks import inbound

CODES = (
    "malformed_json",
    "validation_error",
    "webhook_signature_invalid",
    "webhook_stale",
    "event_type_not_allowed",
    "payload_too_large",
    "audit_unavailable",
    "dependency_degraded",
    "internal_error",
)
SIGNATURE = {
    "type": "apiKey",
    "in": "header",
    "name": "webhook-signature",
    "description": "Standard Webhooks: the HMAC-SHA256, by the service's secret, of "
    "`{webhook-id}.{webhook-timestamp}.{body}`, in base64 after `v1,`; several are separated by a blank.",
}
_ID = {"type": "string", "minLength": 1, "maxLength": inbound.ID_LENGTH_MAX}
_SECONDS = {"type": "string", "pattern": f"^[0-9]{{1,{inbound.SECONDS_DIGITS_MAX}}}$"}
_SIGNED = {"type": "string", "pattern": "^v1,"}
# TABLE: header -> what it says, its schema.
HEADERS: dict[str, tuple[str, dict[str, object]]] = {
    "webhook-id": ("The id of this message; part of what is signed.", dict(_ID)),
    "webhook-timestamp": ("When it was sent, in seconds since 1970; within five minutes of now.", dict(_SECONDS)),
    "webhook-signature": ("The signatures: see the security scheme.", dict(_SIGNED)),
}
_TEXT, _DOCUMENTS = {"type": "string"}, {"type": "array", "items": {"$ref": "#/components/schemas/Document"}}
_FAULT = {"$ref": "#/components/schemas/Fault"}
_CODE = {"type": "string", "enum": sorted(errors.CODES)}
# TABLE: outcome -> its schema's name, what it says besides the members of all.
OUTCOMES: dict[str, tuple[str, dict[str, object]]] = {
    EventStatus.PROCESSED: ("EventProcessed", {}),
    EventStatus.HELD: ("EventHeld", {"code": _CODE, "errors": {"type": "array", "items": _FAULT}}),
    EventStatus.PARKED: ("EventParked", {"missing": {"type": "array", "items": _TEXT}}),
    EventStatus.IGNORED: ("EventIgnored", {"code": _TEXT}),
}
# TABLE: status -> what it says, and the outcomes with which it comes.
ANSWERS: dict[int, tuple[str, tuple[str, ...]]] = {
    HTTPStatus.OK: ("told before: what is true of it now", tuple(OUTCOMES)),
    HTTPStatus.CREATED: ("processed", (EventStatus.PROCESSED,)),
    HTTPStatus.ACCEPTED: (
        "stored: held, parked or ignored",
        (EventStatus.HELD, EventStatus.PARKED, EventStatus.IGNORED),
    ),
}


def operation() -> dict[str, object]:
    """Return what the operation is, and the headers of a signed request."""
    return {
        "operationId": "events",
        "description": "Take in one fact, signed by the platform's service that states it.",
        "tags": ["events"],
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": said, "schema": schema}
            for name, (said, schema) in HEADERS.items()
        ],
    }


def outcomes() -> dict[str, dict[str, object]]:
    """Return the schema of each outcome, by its name."""
    return {name: _outcome(status=status, besides=besides) for status, (name, besides) in OUTCOMES.items()}


def _outcome(*, status: str, besides: Mapping[str, object]) -> dict[str, object]:
    """Return the schema of one outcome."""
    common: dict[str, object] = {
        "object": {"const": "event"},
        "event_id": _TEXT,
        "type": _TEXT,
        "status": {"const": str(status)},
        "replayed": {"type": "boolean"},
        "documents": _DOCUMENTS,
    }
    lacking = {"code"} if status == EventStatus.IGNORED else set()
    members = {**common, **besides}
    return {"type": "object", "required": [name for name in members if name not in lacking], "properties": members}


def answers() -> dict[str, object]:
    """Return the answers to an event that was stored, by status, each with the schema of its outcomes."""
    return {
        str(int(status)): {
            "description": said,
            "content": {
                "application/json": {
                    "schema": {
                        "oneOf": [{"$ref": f"#/components/schemas/{OUTCOMES[outcome][0]}"} for outcome in outcomes_of]
                    }
                }
            },
        }
        for status, (said, outcomes_of) in ANSWERS.items()
    }
