"""The OpenAPI document: what is committed is what the code says, and every operation says who may and what it answers."""

import pathlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from documents import errors
from documents.access.admission import Door
from documents.api import openapi
from documents.events import envelope

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
COMMITTED = ROOT / "docs" / "openapi.yaml"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document as the code makes it now."""
    return dict(SchemaGenerator().get_schema(request=None, public=True))


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (path, method, operation)."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_what_is_committed_is_what_the_code_says(document: dict[str, Any]) -> None:
    committed = yaml.safe_load(COMMITTED.read_text(encoding="utf-8"))
    assert committed == yaml.safe_load(yaml.safe_dump(document)), (
        "make manage ARGS='spectacular --file docs/openapi.yaml'"
    )


def test_it_is_valid_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    validate_schema(document)


def test_every_route_for_programs_is_in_it_with_its_rule(document: dict[str, Any]) -> None:
    seen = [(path, method.upper(), operation) for path, method, operation in operations(document)]
    for path, _name, rule in openapi.routes():
        if path in {"/api/", "/api/{rest}"}:
            continue  # there is nothing at these addresses
        mine = [one for place, method, one in seen if place == path and (not rule.methods or method in rule.methods)]
        assert mine, path
        for operation in mine:
            assert operation["x-roles"] == sorted(rule.roles), path
            assert operation["x-ownership"] == rule.ownership.value
        assert rule.door in {Door.API, Door.WEBHOOK}


def test_every_change_states_its_key_and_every_operation_the_codes_it_answers(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        names = {parameter["name"] for parameter in operation.get("parameters", ())}
        keyed = method in {"post", "put"} and path not in {"/api/v1/events/", "/api/v1/documents/{public_id}/verify/"}
        assert ("Idempotency-Key" in names) == keyed == operation["x-idempotency-key"], path
        refused = [answer for status, answer in operation["responses"].items() if int(status) >= 400]
        assert refused
        for answer in refused:
            _, _, codes = answer["description"].partition(": ")
            assert set(codes.split(", ")) <= set(errors.CODES)
        named = {code for answer in refused for code in answer["description"].partition(": ")[2].split(", ")}
        assert named == set(operation["x-codes"]), path
        for status, answer in operation["responses"].items():
            [body] = answer["content"].values()
            assert body["schema"] != {"type": "object"}, (path, status)


def test_each_event_has_its_schema(document: dict[str, Any]) -> None:
    names = {row["$ref"].rpartition("/")[2] for row in document["components"]["schemas"]["Event"]["oneOf"]}
    assert names == set(envelope.SCHEMAS)
    assert names <= set(document["components"]["schemas"])


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _path, _method, operation in operations(document)]
    assert len(ids) == len(set(ids))


def test_the_reading_page_says_every_operation_and_leads_to_each_schema_and_code(document: dict[str, Any]) -> None:
    for language, word in (("es", "Permiso de la clave"), ("en", "Scope of the key")):
        answer = Client().get(f"/docs/api/?lang={language}")
        text = answer.content.decode()
        assert (answer.status_code, word in text, "<script" in text) == (200, True, False)
        for path, method, operation in operations(document):
            assert f'<details id="{operation["operationId"]}">' in text
            assert f"{method.upper()} {path}" in text
        assert {
            f"/errors/{code}/?lang={language}" for _, _, one in operations(document) for code in one["x-codes"]
        } <= {*re.findall(r'href="([^"]+)"', text)}
    for name, schema in document["components"]["schemas"].items():
        text = Client().get(f"/docs/api/{name}/").content.decode()
        assert all(f"<code>{member}</code>" in text for member in schema.get("properties", ())), name
    assert Client().get("/docs/api/Nothing/").status_code == 404
    assert Client().get("/docs/openapi.yaml").content == COMMITTED.read_bytes()
