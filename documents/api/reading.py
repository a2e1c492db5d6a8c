"""The OpenAPI document for people: pages without a script, made of its committed form, and that form itself."""

import functools
import pathlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, cast

import yaml
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from documents import errors
from documents.access import pages

FILE = pathlib.Path(settings.BASE_DIR) / "docs" / "openapi.yaml"
LIMITS = ("format", "pattern", "minLength", "maxLength", "minimum", "maximum", "maxItems", "default")
NULL = "NullEnum"  # drf-spectacular's name of null among the values of a list
JOINED = ("oneOf", "anyOf", "allOf")


@dataclass(frozen=True, kw_only=True)
class SchemaShape:
    """What a value may be: in words, and the schemas that it names."""

    text: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SchemaMember:
    """A member of a schema, or a parameter of an operation."""

    name: str
    shape: SchemaShape
    required: bool
    description: str = ""
    place: str = ""  # of a parameter: query, path or header


@dataclass(frozen=True, kw_only=True)
class OperationAnswer:
    """What an operation may answer with one status."""

    status: str
    shape: SchemaShape
    codes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation, as its page section says it."""

    name: str
    tag: str
    verb: str
    path: str
    description: str
    rule: Mapping[str, Any]  # roles, ownership, audit, scope, key
    parameters: tuple[SchemaMember, ...]
    body: SchemaShape
    answers: tuple[OperationAnswer, ...]


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Show every operation (GET /docs/api/)."""
    groups = [(tag, list(rows)) for tag, rows in groupby(_operations(), key=lambda row: row.tag)]
    return pages.page(request=request, template="web/api.html", context={"groups": groups})


@require_safe
def schema(request: HttpRequest, name: str) -> HttpResponse:
    """Show one schema (GET /docs/api/<name>/).

    :raises errors.Problem: `not_found`
    """
    stated = _document()["components"]["schemas"].get(name)
    if stated is None:
        raise errors.Problem(code="not_found")
    context = {
        "name": name,
        "description": _plain(stated.get("description", "")),
        "members": [] if "oneOf" in stated else list(_members(schema=stated)),
        "shape": _shape(schema=stated) if "properties" not in stated else None,
    }
    return pages.page(request=request, template="web/schema.html", context=context)


@require_safe
def description(_request: HttpRequest) -> HttpResponse:
    """Return the OpenAPI document as it is committed (GET /docs/openapi.yaml)."""
    response = HttpResponse(FILE.read_bytes(), content_type="application/yaml")
    return pages.secure_headers(response=response)


@functools.cache
def _document() -> dict[str, Any]:
    """Return the committed document."""
    return cast("dict[str, Any]", yaml.load(FILE.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))


def _plain(text: str) -> str:
    """Return a description without the marks of code."""
    return text.replace("`", "")


@functools.cache
def _operations() -> tuple[Operation, ...]:
    """Return every operation, those of a tag together."""
    rows = (
        _operation(path=path, verb=verb, stated=stated)
        for path, verbs in _document()["paths"].items()
        for verb, stated in verbs.items()
    )
    return tuple(sorted(rows, key=lambda row: (row.tag, row.path, row.verb)))


def _operation(*, path: str, verb: str, stated: Mapping[str, Any]) -> Operation:
    """Return one operation."""
    rule = {name: stated[f"x-{name}"] for name in ("roles", "ownership", "audit", "scope")}
    return Operation(
        name=stated["operationId"],
        tag=stated["tags"][0],
        verb=verb.upper(),
        path=path,
        description=_plain(stated.get("description", "")),
        rule={**rule, "key": stated["x-idempotency-key"]},
        parameters=tuple(
            SchemaMember(
                name=row["name"],
                shape=_shape(schema=row["schema"]),
                required=row.get("required", False),
                description=_plain(row.get("description", "")),
                place=row["in"],
            )
            for row in stated.get("parameters", ())
        ),
        body=_content(said=stated.get("requestBody", {})),
        answers=tuple(_answer(status=status, said=said) for status, said in sorted(stated["responses"].items())),
    )


def _answer(*, status: str, said: Mapping[str, Any]) -> OperationAnswer:
    """Return what an operation answers with a status: what it holds, or the codes of what is refused."""
    refused = "application/problem+json" in said["content"]
    codes = said["description"].partition(": ")[2].split(", ") if refused else ()
    return OperationAnswer(status=status, shape=_content(said=said), codes=tuple(codes))


def _content(*, said: Mapping[str, Any]) -> SchemaShape:
    """Return the shape of a body."""
    of_json = (media["schema"] for name, media in said.get("content", {}).items() if "form" not in name)
    return _shape(schema=next(of_json, {}))


def _members(*, schema: Mapping[str, Any]) -> Iterator[SchemaMember]:
    """Yield the members of a schema."""
    for name, stated in schema.get("properties", {}).items():
        yield SchemaMember(
            name=name,
            shape=_shape(schema=stated),
            required=name in schema.get("required", ()),
            description=_plain(stated.get("description", "")),
        )


def _shape(*, schema: Mapping[str, Any]) -> SchemaShape:
    """Return what a schema allows, in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return SchemaShape(text="null") if name == NULL else SchemaShape(names=(name,))
    for word in JOINED:
        if word in schema:
            parts = [_shape(schema=part) for part in schema[word]]
            texts = dict.fromkeys(part.text for part in parts if part.text)
            return SchemaShape(text=" | ".join(texts), names=tuple(name for part in parts for name in part.names))
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return SchemaShape(text=" | ".join("null" if value is None else str(value) for value in values))
    if "items" in schema:
        inner = _shape(schema=schema["items"])
        return SchemaShape(text=f"[{inner.text or '…'}]", names=inner.names)
    if schema.get("type") == "object" and "properties" in schema:  # a page of a list
        members = [_shape(schema=member) for member in schema["properties"].values()]
        names = tuple(name for member in members for name in member.names)
        return SchemaShape(text="{" + ", ".join(schema["properties"]) + "}", names=names)
    kind = schema.get("type", "")
    limits = ", ".join(f"{name} {schema[name]}" for name in LIMITS if name in schema)
    text = " | ".join(kind) if isinstance(kind, list) else kind
    return SchemaShape(text=f"{text} ({limits})" if limits else text)
