"""What every decision of a person about money needs: the right, the country, a reason, a transaction that may lose."""

from collections.abc import Callable
from typing import NoReturn, TypeVar

from django.contrib.auth.models import User
from django.db import OperationalError, transaction
from pydantic import TypeAdapter, ValidationError

from audit import log
from documents import errors, transactions
from documents.access import roles, scope
from documents.events import fields
from documents.models import Country

Result = TypeVar("Result")
_TEXT: TypeAdapter[str] = TypeAdapter(fields.Text)
REASON_LENGTH_MIN, REASON_LENGTH_MAX = 10, 200
_GAVE_UP = {"40P01", "40001"}  # PostgreSQL gave this transaction up for a rival; it is safe to run again


def require(*, right: str, user: User, country: str, object_type: str, object_id: str, actor: log.Actor) -> None:
    """This function will refuse, on record, whoever lacks a right or the country.

    :raises errors.Problem: `role_not_allowed`, `country_out_of_scope`
    """
    if not roles.may(user=user, right=right):
        refuse(code="role_not_allowed", object_type=object_type, object_id=object_id, actor=actor)
    if not _in_scope(user=user, country=country):
        refuse(code="country_out_of_scope", object_type=object_type, object_id=object_id, actor=actor)


def _in_scope(*, user: User, country: str) -> bool:
    """This function will tell whether a country is the person's; one that nobody knows belongs to who has them all."""
    mine = scope.countries_for(user=user)
    if mine.filter(pk=country).exists():
        return True
    return not Country.objects.filter(pk=country).exists() and 0 < Country.objects.count() == mine.count()


def refuse(*, code: str, object_type: str, object_id: str, actor: log.Actor) -> NoReturn:
    """This function will put a denial on record where no rollback reaches it.

    :raises errors.Problem: always, with `code`
    """
    log.deny(actor=actor, object_type=object_type, object_id=object_id, code=code)
    raise errors.Problem(code=code)


def reason(text: str) -> str:
    """This function will return a reason that somebody can read a year later.

    :raises errors.Problem: `validation_error`
    """
    try:
        words = _TEXT.validate_python(" ".join(text.split()))
    except ValidationError:
        words = ""
    if not REASON_LENGTH_MIN <= len(words) <= REASON_LENGTH_MAX:
        detail = f"{REASON_LENGTH_MIN} to {REASON_LENGTH_MAX} printable characters"
        fault = errors.Fault(pointer="/reason", code="reason", detail=detail)
        raise errors.Problem(code="validation_error", detail=detail, errors=[fault])
    return words


def take(work: Callable[[], Result]) -> Result:
    """This function will run a transaction again that PostgreSQL gave up for a rival's: intake may hold the same rows.

    :raises django.db.OperationalError: given up too often, or the database is out
    """
    for attempt in range(1, transactions.DEADLOCK_TRIES_MAX + 1):
        try:
            with transaction.atomic():
                return work()
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") not in _GAVE_UP or attempt == transactions.DEADLOCK_TRIES_MAX:
                raise
    raise AssertionError("unreachable")
