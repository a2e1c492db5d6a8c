"""The order of locks: transactions that take theirs in one order never wait for each other in a circle.

Every lock on a row, on a key that is about to exist and on a name is taken or declared here. Ranks rise within a
transaction, and so do the keys of one rank. Who breaks the order fails a test, whether or not two transactions meet at
that moment; elsewhere it is an error line.
"""

import enum
import logging
import pathlib
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import QuerySet

from documents.models import (
    ApiKey,
    Delivery,
    Document,
    Event,
    Invitation,
    LegalHold,
    Link,
    Notice,
    Party,
    Person,
    SignInCode,
)

logger = logging.getLogger(__name__)
LockKey = tuple[int | str, ...]
Lockable = TypeVar("Lockable", bound=models.Model)


class Rank(enum.IntEnum):
    """TABLE: what a transaction locks, in the order in which it does."""

    EVENT_ID = enum.auto()  # of an event that is being stored: the insert waits until a rival one has ended
    PARTY = enum.auto()  # whose money moves
    SUBJECT = enum.auto()  # a name: one transaction at a time runs the events about a subject
    EVENT = enum.auto()  # those that are run, all about one subject
    REFUSED_BODY = enum.auto()
    PARTY_ID = enum.auto()  # of a party whom no event has named before
    DOCUMENT = enum.auto()
    # Parked events that are woken. What wakes is never what it wakes waits for, except among the payouts of one payee,
    # which is locked then; so it is no circle that those that are run come first.
    WOKEN_EVENT = enum.auto()
    RETRIED_EVENT = enum.auto()  # held events of a party, which are let be run again: for them the same is true
    DOCUMENT_KEY = enum.auto()
    ISSUER = enum.auto()  # while what is stated of it is changed, by nothing that issues
    VALVE = enum.auto()  # of an issuer: what it may issue is counted just before its numbers are taken
    SERIES = enum.auto()  # nearly last: who waits here waits for a commit, not for work
    WRONG_ANSWERS = enum.auto()  # a name: answers for one party, or from one address, are judged one at a time
    LINK = enum.auto()
    DELIVERY = enum.auto()
    NOTICE = enum.auto()
    SIGN_IN = enum.auto()  # an address: one code is asked for, or answered, at a time
    SIGN_IN_CODE = enum.auto()
    LEGAL_HOLD = enum.auto()  # a matter, while something is added to it or its state moves
    PERSON = enum.auto()  # while what she may do is changed
    INVITATION = enum.auto()
    API_KEY = enum.auto()  # one that is rotated
    NEW_FACTOR = enum.auto()  # a name: factors are added one at a time, since nobody's key may be another's too
    FACTOR = enum.auto()  # while a code of it is used up
    ALERT = enum.auto()  # by its dedup key


# TABLE: model -> its rank, where the key is the primary key.
RANKS: Mapping[type[models.Model], Rank] = MappingProxyType(
    {
        Party: Rank.PARTY,
        Event: Rank.EVENT,
        Document: Rank.DOCUMENT,
        Link: Rank.LINK,
        Delivery: Rank.DELIVERY,
        Notice: Rank.NOTICE,
        SignInCode: Rank.SIGN_IN_CODE,
        LegalHold: Rank.LEGAL_HOLD,
        ApiKey: Rank.API_KEY,
        Person: Rank.PERSON,
        Invitation: Rank.INVITATION,
    }
)


class OutOfOrder(AssertionError):
    """A lock was taken whose rank, or whose key in its rank, is below one that the transaction has already."""


@dataclass(frozen=True, kw_only=True)
class _Locked:
    """What a transaction has locked. It lies among the transaction's callbacks: a rollback takes it from there."""

    within: transaction.Atomic
    rank: Rank
    keys: frozenset[LockKey]

    def __call__(self) -> None:
        """Do nothing at the commit, which ends the lock."""


def rows(
    *,
    queryset: QuerySet[Lockable],
    rank: Rank | None = None,
    key: Callable[[Lockable], LockKey] | None = None,
    skip_locked: bool = False,
) -> list[Lockable]:
    """Lock the rows of a query until the transaction ends, in the order of their ids, and return them.

    Rows that refer to them may still be inserted meanwhile. `rank` and `key` are those of RANKS where nothing else is
    given. With `skip_locked` nothing is waited for, so any order is right.
    """
    locked = list(queryset.select_for_update(no_key=True, of=("self",), skip_locked=skip_locked).order_by("pk"))
    _note(
        rank=RANKS[queryset.model] if rank is None else rank,
        keys=[(int(row.pk),) if key is None else key(row) for row in locked],
        waits=not skip_locked,
    )
    return locked


def advisory(*, rank: Rank, key: str) -> None:
    """Lock a name until the transaction ends."""
    if (key,) in _of_rank(rank=rank):
        return
    _note(rank=rank, keys=[(key,)])
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])


def declare(*, rank: Rank, keys: Iterable[LockKey]) -> None:
    """Say what the next statement locks: an UPDATE of rows that are not locked yet, or an INSERT that may wait."""
    _note(rank=rank, keys=keys)


def inserted(*, rank: Rank, keys: Iterable[LockKey]) -> None:
    """Note rows that the transaction has inserted: they are its own until it ends, and nobody waits for them."""
    _note(rank=rank, keys=keys, waits=False)


def has(*, rank: Rank, keys: Iterable[LockKey]) -> bool:
    """Tell whether the transaction has all of these locked."""
    return frozenset(keys) <= _of_rank(rank=rank)


def begin_anew() -> None:
    """Forget what the transaction has locked and would do at its commit: it will be rolled back.

    What follows stands for another transaction, whose order of locks is its own.
    """
    connection.run_on_commit = []


def _note(*, rank: Rank, keys: Iterable[LockKey], waits: bool = True) -> None:
    """Note what the transaction locks now, after the order has been looked at; outside one nothing stays locked."""
    within = _transaction()
    fresh = sorted(frozenset(keys) - _of_rank(rank=rank))
    if within is None or not fresh:
        return
    if waits:
        _check(rank=rank, first=fresh[0])
    transaction.on_commit(_Locked(within=within, rank=rank, keys=frozenset(fresh)))


def _check(*, rank: Rank, first: LockKey) -> None:
    """Compare a lock with those that the transaction has.

    :raises OutOfOrder: the order is broken, in a test; anywhere else that is only logged
    """
    last = max((locked.rank for locked in _locked()), default=rank)
    if last < rank or (last == rank and all(key < first for key in _of_rank(rank=rank))):
        return
    after = last.name if last != rank else max(_of_rank(rank=rank))
    calls = [frame for frame in traceback.extract_stack() if pathlib.Path(frame.filename) != pathlib.Path(__file__)]
    error = OutOfOrder(f"{rank.name} {first} after {after} ({calls[-1].filename}:{calls[-1].lineno})")
    logger.error("lock.out_of_order", extra={"item": str(error)})
    if settings.ENVIRONMENT == "test":
        raise error


def _locked() -> list[_Locked]:
    """Return what the transaction has locked."""
    within, callbacks = _transaction(), (callback for _, callback, *_ in connection.run_on_commit)
    return [each for each in callbacks if isinstance(each, _Locked) and each.within is within]


def _of_rank(*, rank: Rank) -> frozenset[LockKey]:
    """Return what the transaction has locked of a rank."""
    return frozenset(key for locked in _locked() if locked.rank == rank for key in locked.keys)


def _transaction() -> transaction.Atomic | None:
    """Return the outermost block of the transaction; None outside of one."""
    return next(iter(connection.atomic_blocks), None)
