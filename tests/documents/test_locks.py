"""The order of locks: whoever breaks it is named with a line, whether or not two transactions meet there."""

import ast
import pathlib
from collections.abc import Callable

import pytest
from django.db import connections, transaction
from pytest_django import Settings

from documents import locks
from documents.locks import Rank
from documents.models import Party
from tests import factories
from tests.invariants.test_laws import files, trees

# TABLE: where rows are locked without `documents.locks` -> why.
ELSEWHERE = {
    "documents/resilience/leases.py": "passes over what is locked, so it waits for nobody",
    "documents/access/idempotency.py": "tries, and answers 409 where the same change is being made already",
    "audit/sealing.py": "tries, and leaves what another process seals to it",
    "documents/vault/probes.py": "tries, and lets another process probe where it is at it already",
    "audit/patience.py": "tries for the owner, whose turn it is for a whole session, before there are tables",
}


def lock(rank: Rank, *keys: str) -> None:
    locks.declare(rank=rank, keys=[(key,) for key in keys])


def in_order() -> None:
    lock(Rank.SUBJECT, "a")
    lock(Rank.SERIES, "a", "b")
    lock(Rank.SERIES, "c")
    lock(Rank.ALERT, "a")


def again() -> None:
    in_order()
    lock(Rank.SERIES, "b", "a")
    lock(Rank.SUBJECT, "a")


def after_a_rollback() -> None:
    with transaction.atomic():
        lock(Rank.SERIES, "a")
        transaction.set_rollback(True)
    lock(Rank.SUBJECT, "a")


def lower_rank() -> None:
    lock(Rank.SERIES, "a")
    lock(Rank.SUBJECT, "a")


def lower_key() -> None:
    lock(Rank.SERIES, "b")
    lock(Rank.SERIES, "a")


def after_a_savepoint() -> None:
    with transaction.atomic():
        lock(Rank.SERIES, "a")
    lock(Rank.SUBJECT, "a")


def between_what_is_locked() -> None:
    lock(Rank.SERIES, "a", "c")
    lock(Rank.SERIES, "b", "c")


@pytest.mark.django_db
@pytest.mark.parametrize("work", [in_order, again, after_a_rollback])
def test_ranks_and_keys_that_rise_and_what_is_locked_already_are_in_order(work: Callable[[], None]) -> None:
    for _ in range(2):  # what one transaction has locked is nothing to the next one
        with transaction.atomic():
            work()


@pytest.mark.django_db
@pytest.mark.parametrize("work", [lower_rank, lower_key, after_a_savepoint, between_what_is_locked])
def test_a_lock_out_of_order_is_refused_and_its_line_is_named(work: Callable[[], None], lock_faults: list[str]) -> None:
    with pytest.raises(locks.OutOfOrder, match=r" after .*test_locks\.py:\d+\)$"), transaction.atomic():
        work()
    assert len(lock_faults) == 1
    lock_faults.clear()


@pytest.mark.django_db
def test_in_production_a_lock_out_of_order_is_an_error_line_and_no_event_is_lost(
    settings: Settings, caplog: pytest.LogCaptureFixture, lock_faults: list[str]
) -> None:
    settings.ENVIRONMENT = "production"
    with transaction.atomic():
        lower_rank()
    [record] = [record for record in caplog.records if record.message == "lock.out_of_order"]
    assert record.levelname == "ERROR"
    [fault] = lock_faults
    assert fault.startswith("SUBJECT ('a',) after SERIES (")
    lock_faults.clear()


@pytest.mark.usefixtures("committed_db")
@pytest.mark.django_db(transaction=True, databases=["default", "denials"])
def test_rows_are_locked_in_the_order_of_their_ids_until_the_transaction_ends() -> None:
    made = [factories.party(platform_id=name) for name in ("drv_b", "drv_a")]
    chosen = Party.objects.order_by("platform_id")
    with transaction.atomic():
        assert locks.rows(queryset=chosen) == made
        with connections["denials"].cursor() as other:
            other.execute("SELECT id FROM documents_party FOR NO KEY UPDATE SKIP LOCKED")
            assert other.fetchall() == []
    with connections["denials"].cursor() as other:
        other.execute("SELECT id FROM documents_party FOR NO KEY UPDATE SKIP LOCKED")
        assert len(other.fetchall()) == 2


def test_nothing_is_locked_past_the_table_of_ranks() -> None:
    words = ("select_for_update", "FOR UPDATE", "FOR NO KEY UPDATE", "FOR SHARE", "pg_advisory", "pg_try_advisory")
    locking = {
        name
        for name, tree in trees()
        for node in ast.walk(tree)
        if any(word in _text(node) for word in words) and name != "documents/locks.py"
    }
    assert locking == set(ELSEWHERE)
    sql = [path for app in ("audit", "documents", "payouts") for path in pathlib.Path(app).rglob("*.sql")]
    assert [path for path in sql if "FOR UPDATE" in path.read_text(encoding="utf-8")] == []
    assert len(files()) > 100


def _text(node: ast.AST) -> str:
    """Return the name or the text that a node holds; docstrings are texts too."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
