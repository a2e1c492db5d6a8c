"""The page that integrators read says what is true: its examples are sent, and no field is missing from it."""

import importlib
import json
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import pytest

from documents.events import envelope
from tests.payouts import telling

PAGE = (pathlib.Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8")
EXAMPLES: list[dict[str, Any]] = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


@pytest.mark.django_db
def test_every_example_of_the_page_is_processed_in_reading_order() -> None:
    telling.issuers()
    answers = [telling.tell(example) for example in EXAMPLES]
    assert [(answer.body["status"], answer.body.get("code")) for answer in answers] == [("processed", None)] * len(
        EXAMPLES
    )


def test_every_type_has_an_example_under_its_own_heading() -> None:
    assert {example["type"] for example in EXAMPLES} == set(envelope.SCHEMAS)
    for kind in envelope.SCHEMAS:
        assert f"## {kind}\n" in PAGE


def _fields(model: Any) -> Iterator[str]:
    """Yield every field that a schema takes, however deep."""
    for name, field in model.model_fields.items():
        yield field.alias or name
        for module, inner in re.findall(
            r"documents\.events\.(schemas|schema_parts|undoing_schemas)\.(\w+)", repr(field.annotation)
        ):
            yield from _fields(getattr(importlib.import_module(f"documents.events.{module}"), inner))


@pytest.mark.parametrize("kind", sorted(envelope.SCHEMAS))
def test_no_field_of_a_schema_is_missing_from_the_page(kind: str) -> None:
    data = envelope.SCHEMAS[kind].model_fields["data"].annotation
    missing = [name for name in _fields(data) if f"`{name}`" not in PAGE and f'"{name}"' not in PAGE]
    assert missing == []
