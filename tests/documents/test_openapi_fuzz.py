"""What the OpenAPI document allows and forbids is asked of every operation: no fault, no answer that it does not name.

A few requests an operation in `make test`, many with FUZZ=1 (`make fuzz`).
"""

import datetime as dt
import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core import signals
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, connections
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import Settings
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from audit import log
from documents.access import keys
from documents.access.admission import KeyScope
from documents.models import Document
from documents.vault import probes
from tests import factories
from tests.documents import center
from tests.services import force

pytestmark = [
    pytest.mark.usefixtures("vault_folder"),
    pytest.mark.django_db(databases=["default", "denials"]),
]
LONG = bool(os.environ.get("FUZZ"))
EXAMPLES, LIMIT_S = (300, 4 * 3600) if LONG else (2, 300)
PARTS = {"documents": "document", "links": "link", "payouts": "payout", "events": "event", "holds": "legalhold"}


@pytest.fixture
def in_process(db: None) -> Iterator[None]:
    """The connections are the test's, whatever a request begins or ends with, and however long one has nothing to do."""
    for alias in ("default", "denials"):
        with connections[alias].cursor() as cursor:
            cursor.execute("SET idle_in_transaction_session_timeout = 0")
    for signal in (signals.request_started, signals.request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (signals.request_started, signals.request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def key() -> str:
    """A key of somebody who may do whatever staff may, everywhere."""
    member = center.everywhere(roles=["finance", "compliance", "auditor"])
    _row, text = keys.create(
        user=member.user,
        party=None,
        name="fuzz",
        scopes=list(KeyScope),
        actor=log.SYSTEM,
        expires_at=timezone.now() + dt.timedelta(days=1),
    )
    return text


def known(document: Document) -> dict[str, str]:
    """Return {first word of a path: the id of something that there is}."""
    with force.by_force():
        ids = center.one_of_each(document=document)
    found = {word: ids[f"documents/{name}"] for word, name in PARTS.items() if name != "payout"}
    return {
        **found,
        "payouts": "po_1",
        "discrepancies": ids["documents/discrepancy"],
        "parties": document.owner.public_id,
    }


@pytest.mark.timeout(LIMIT_S)
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_request_is_a_fault_and_no_answer_is_one_that_the_document_does_not_name(
    mode: GenerationMode, key: str, in_process: None, settings: Settings
) -> None:
    settings.API_REQUESTS_MAX = 10**9
    probes.prove(actor=log.SYSTEM, now=timezone.now())
    schema = schemathesis.openapi.from_dict(dict(SchemaGenerator().get_schema(request=None, public=True)))
    schema.app = get_wsgi_application()
    ids = known(factories.document())
    wrong: dict[str, BaseException] = {}
    asked = 0
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        try:
            ask_about(operation, mode=mode, key=key, known_id=ids.get(operation.path.split("/")[3], ""))
        except (AssertionError, FailureGroup) as found:  # the others are asked all the same
            wrong[operation.label] = found
        asked += 1
    if wrong:
        raise BaseExceptionGroup(", ".join(wrong), list(wrong.values()))
    assert asked > 30


def ask_about(operation: Any, *, mode: GenerationMode, key: str, known_id: str) -> None:
    """Ask one operation what its description allows, or what it forbids.

    What a schema allows may still be refused by what it cannot say: that a day is over, that an amount is too much.
    """

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), is_known=st.booleans())
    def asks(case: Any, is_known: bool) -> None:
        if is_known and known_id and "public_id" in (case.path_parameters or {}):
            case.path_parameters["public_id"] = known_id
        answer = case.call_and_validate(
            headers={"Authorization": f"Bearer {key}"}, excluded_checks=[positive_data_acceptance]
        )
        if answer.status_code >= 400 and "problem+json" in answer.headers.get("content-type", [""])[0]:
            assert answer.json()["code"] in operation.definition.raw["x-codes"], answer.json()

    asks()
