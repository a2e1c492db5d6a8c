"""The OpenAPI 3.1 document: drf-spectacular's, with what the access table says of each operation.

`make manage ARGS="spectacular --file docs/openapi.yaml"` writes its committed form, which a test compares.
"""

import re
from collections.abc import Collection, Iterator
from http import HTTPStatus
from typing import Any

from django.urls import URLPattern, get_resolver
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from pydantic.json_schema import models_json_schema

from documents import errors
from documents.access import idempotency
from documents.access.admission import JSON, AccessRule, Ownership, Recorded
from documents.api import intake_schema
from documents.api.serializers import StrictSerializer
from documents.events import envelope

PROBLEM, FAULT, EVENT = "Problem", "Fault", "Event"
REFERENCE = "#/components/schemas/{model}"
SIGNED = "webhookSignature"
INTAKE = "/api/v1/events/"
RENAMED = {413: "Content Too Large", 416: "Range Not Satisfiable", 422: "Unprocessable Content"}  # by RFC 9110
# What every operation of the API may answer, and what its ownership may refuse.
ALWAYS = (
    "not_authenticated",
    "authentication_failed",
    "key_expired",
    "key_revoked",
    "role_not_allowed",
    "scope_missing",
    "not_acceptable",
    "throttled",
    "internal_error",
    "audit_unavailable",
    "dependency_degraded",
)
OWNED = ("not_owner", "country_out_of_scope", "not_found", "unknown_parameter")
REFUSED: dict[Ownership, tuple[str, ...]] = {
    Ownership.PARTY_OR_COUNTRY: OWNED,
    Ownership.PARTY_OR_COUNTRY_UNMASKED: (*OWNED, "reason_required"),
    Ownership.PARTY_OR_COUNTRY_LIST: ("validation_error", "unknown_parameter", "invalid_cursor"),
    Ownership.REACHED: OWNED,
    Ownership.REACHED_LIST: ("validation_error", "unknown_parameter", "invalid_cursor"),
    Ownership.COUNTRIES: OWNED,
    Ownership.NONE: ("unknown_parameter",),
}
BODY = ("malformed_json", "validation_error", "unsupported_media_type", "csrf_failed", "payload_too_large")
CHANGES = (
    "idempotency_key_missing",
    "idempotency_in_progress",
    "idempotency_key_reused",
)
_PART = re.compile(r"<(?:\w+:)?(\w+)>")


class KeyScheme(OpenApiAuthenticationExtension):
    """How a key is stated."""

    target_class = "documents.access.keys.KeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, _auto_schema: AutoSchema) -> dict[str, str]:
        """Return the scheme."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "bdk_..."}


class RuledSchema(AutoSchema):
    """One operation, with roles, ownership, audit event, scope and error codes of its route."""

    def get_operation_id(self) -> str:
        """Return the route's name, with the method where it has several."""
        name, rule = _route(path=self.path, method=self.method)
        several = len({method for method in rule.methods if method != "HEAD"}) > 1
        return f"{name}-{self.method.lower()}" if several else name

    def get_tags(self) -> list[str]:
        """Return the first word of the path."""
        return [self.path.removeprefix("/api/v1/").split("/")[0]]

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """Return the operation with its error answers and the header of a change."""
        operation = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        _name, rule = _route(path=self.path, method=self.method)
        stated = getattr(self.view, "problems", {})
        codes = {*ALWAYS, *REFUSED[rule.ownership], *stated.get(self.method.lower(), ())}
        if self.method not in idempotency.SAFE:
            codes |= set(BODY)
        if _is_once(rule=rule, method=self.method):
            codes |= set(CHANGES)
            operation.setdefault("parameters", []).insert(0, _key_parameter(method=self.method))
        operation["responses"].update(_problems(codes=sorted(codes)))
        operation.update(_extensions(rule=rule, method=self.method, codes=codes))
        operation["description"] = _description(method=getattr(self.view, self.method.lower(), None))
        return operation


def add_events(result: dict[str, Any], **_options: object) -> dict[str, Any]:
    """Add the intake, whose bodies are the event models: drf-spectacular's hook after the document is made."""
    _, schemas = models_json_schema(
        [(model, "validation") for model in envelope.SCHEMAS.values()], ref_template=REFERENCE
    )
    components = result.setdefault("components", {})
    components.setdefault("schemas", {}).update(schemas["$defs"])
    for body in _strict(StrictSerializer):
        if schema := components["schemas"].get(body.__name__.removesuffix("Serializer")):
            schema["additionalProperties"] = False
    components["schemas"][EVENT] = {
        "oneOf": [{"$ref": REFERENCE.format(model=name)} for name in envelope.SCHEMAS],
        "discriminator": {
            "propertyName": "type",
            "mapping": {name: REFERENCE.format(model=name) for name in envelope.SCHEMAS},
        },
    }
    components["schemas"] |= {PROBLEM: _problem_schema(), FAULT: _fault_schema(), **intake_schema.outcomes()}
    components.setdefault("securitySchemes", {})[SIGNED] = intake_schema.SIGNATURE
    _name, rule = _route(path=INTAKE, method="POST")
    result["paths"].setdefault(INTAKE, {})["post"] = {
        **intake_schema.operation(),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": REFERENCE.format(model=EVENT)}}},
        },
        "security": [{SIGNED: []}],
        "responses": {**intake_schema.answers(), **_problems(codes=intake_schema.CODES)},
        **_extensions(rule=rule, method="POST", codes=intake_schema.CODES),
    }
    return result


def _strict(body: type[StrictSerializer]) -> Iterator[type[StrictSerializer]]:
    """Yield the bodies that refuse a member that they do not know."""
    yield body
    for narrower in body.__subclasses__():
        yield from _strict(narrower)


def routes() -> list[tuple[str, str, AccessRule]]:
    """Return path of the document, name and rule of each route for programs."""
    return [
        ("/" + _PART.sub(r"{\1}", str(pattern.pattern)), str(pattern.name), rule)
        for pattern in get_resolver().url_patterns
        if isinstance(pattern, URLPattern) and isinstance(rule := getattr(pattern, "rule", None), AccessRule)
        if rule.door in JSON
    ]


def _route(*, path: str, method: str) -> tuple[str, AccessRule]:
    """Return name and rule of the route that answers a method of a path."""
    return next(
        (name, rule)
        for place, name, rule in routes()
        if place == path and (not rule.methods or method.upper() in rule.methods)
    )


def _description(*, method: object) -> str:
    """Return what a method's docstring says to a caller."""
    return " ".join((getattr(method, "__doc__", "") or "").partition(":raises")[0].split())


def _extensions(*, rule: AccessRule, method: str, codes: Collection[str]) -> dict[str, object]:
    """Return what the access table says of an operation, and the codes with which it may be refused."""
    audit = rule.audit
    return {
        "x-roles": sorted(rule.roles),
        "x-ownership": rule.ownership.value,
        "x-audit": _recorded(audit=audit) if isinstance(audit, Recorded) else f"none: {audit.reason}",
        "x-scope": str(rule.scope) if rule.scope else None,
        "x-idempotency-key": _is_once(rule=rule, method=method),
        "x-codes": sorted(codes),
    }


def _recorded(*, audit: Recorded) -> str:
    """Return the event of an answer, and those that stand for it where something else was done."""
    return " or ".join(dict.fromkeys(str(action) for action in (audit.action, *audit.instead)))


def _phrase(*, status: int) -> str:
    """Return the name of a status as RFC 9110 has it; Python has the same since 3.13."""
    return RENAMED.get(status, HTTPStatus(status).phrase)


def _problems(*, codes: Collection[str]) -> dict[str, object]:
    """Return the error answers by status, each with its codes."""
    by_status: dict[str, list[str]] = {}
    for code in sorted(codes):
        by_status.setdefault(str(errors.CODES[code].status), []).append(code)
    return {
        status: {
            "description": f"{_phrase(status=int(status))}: {', '.join(sorted(named))}",
            "content": {"application/problem+json": {"schema": {"$ref": REFERENCE.format(model=PROBLEM)}}},
        }
        for status, named in sorted(by_status.items())
    }


def _is_once(*, rule: AccessRule, method: str) -> bool:
    """Tell whether an operation is done once for each `Idempotency-Key`."""
    return rule.is_once and method not in idempotency.SAFE


def _key_parameter(*, method: str) -> dict[str, object]:
    """Return the header of a change."""
    return {
        "name": idempotency.HEADER,
        "in": "header",
        "required": method not in idempotency.OPTIONAL,
        "schema": {"type": "string", "pattern": '^"?[A-Za-z0-9_-]{8,128}"?$'},
    }


def _problem_schema() -> dict[str, object]:
    """Return the schema of an error answer (RFC 9457)."""
    text = {"type": "string"}
    return {
        "type": "object",
        "required": ["type", "title", "status", "code", "detail", "request_id", "retryable", "errors"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": text,
            "status": {"type": "integer"},
            "code": {"type": "string", "enum": sorted(errors.CODES)},
            "detail": text,
            "values": {"type": "object"},
            "request_id": text,
            "retryable": {"type": "boolean"},
            "errors": {"type": "array", "items": {"$ref": REFERENCE.format(model=FAULT)}},
        },
    }


def _fault_schema() -> dict[str, object]:
    """Return the schema of what is wrong with one member of a body, or of an event."""
    text = {"type": "string"}
    members = {"pointer": text, "code": text, "values": {"type": "object"}, "detail": text}
    return {"type": "object", "required": list(members), "properties": members}
