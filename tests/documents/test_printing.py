"""A dying renderer is one incident, whatever waits for it; a document that cannot be printed is its own."""

import pytest
from django.utils import timezone

from documents import errors
from documents.emission import custody, locking, printing
from documents.models import Alert, Document, Status
from documents.resilience import breaker, calls, dependencies
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)
    monkeypatch.setattr(printing, "_last", {})


@pytest.fixture
def _dying(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(**_given: object) -> None:
        raise errors.Problem(code="render_failed")

    monkeypatch.setattr(custody, "lock", crash)


def waiting(count: int) -> list[Document]:
    owner, issuer = factories.party(), factories.issuer()
    return [factories.document(owner=owner, issued_by=issuer, status=Status.ISSUED) for _ in range(count)]


def fail(documents: list[Document], *, rounds: int) -> None:
    for _ in range(rounds):
        for document in documents:
            locking.advance(document_id=document.pk, now=timezone.now())


def alerts() -> list[str]:
    return sorted(Alert.objects.filter(resolved_at=None).values_list("code", flat=True))


@pytest.mark.usefixtures("_dying")
def test_a_dying_renderer_is_one_incident_and_costs_no_document_its_last_try() -> None:
    documents = waiting(6)
    fail(documents, rounds=locking.TRIES_MAX + 2)
    assert alerts() == ["dependency_renderer"]
    for document in documents:
        document.refresh_from_db()
        assert document.attempts < locking.TRIES_MAX
        assert document.next_try_at is not None
        assert (document.next_try_at - timezone.now()).total_seconds() <= printing.PAUSE_MAX_S


@pytest.mark.usefixtures("_dying")
def test_a_documents_first_failed_tries_call_nobody_and_the_third_one_is_its_own_incident() -> None:
    (document,) = waiting(1)
    fail([document], rounds=2)
    assert alerts() == []
    fail([document], rounds=1)
    assert alerts() == ["render_failed"]
    assert calls.BREAKERS["renderer"].state == "closed"  # one document says nothing of the renderer


@pytest.mark.usefixtures("_dying")
def test_a_document_that_is_printed_between_two_that_are_not_clears_the_renderer() -> None:
    documents = waiting(4)
    for document in documents:
        fail([document], rounds=1)
        printing.succeeded()
    assert alerts() == []
    assert not printing.fails()
