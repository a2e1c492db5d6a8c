"""What every decision of a person about money needs: the right, the country, a reason, a transaction that may lose."""

from typing import NoReturn

from django.contrib.auth.models import User
from pydantic import TypeAdapter, ValidationError

from audit import log
from documents import errors
from documents.access import roles, scope
from documents.events import fields
from documents.models import Country

_TEXT: TypeAdapter[str] = TypeAdapter(fields.Text)
REASON_LENGTH_MIN, REASON_LENGTH_MAX = 10, 200


def require(*, right: str, user: User, country: str, object_type: str, object_id: str, actor: log.Actor) -> None:
    """Refuse, on record, whoever lacks a right or the country.

    :raises errors.Problem: `role_not_allowed`, `country_out_of_scope`
    """
    if not roles.may(user=user, right=right):
        refuse(code="role_not_allowed", object_type=object_type, object_id=object_id, actor=actor)
    if not _in_scope(user=user, country=country):
        refuse(code="country_out_of_scope", object_type=object_type, object_id=object_id, actor=actor)


def _in_scope(*, user: User, country: str) -> bool:
    """Tell whether a country is the person's; one that nobody knows belongs to who has them all."""
    mine = scope.countries_for(user=user)
    if mine.filter(pk=country).exists():
        return True
    return not Country.objects.filter(pk=country).exists() and 0 < Country.objects.count() == mine.count()


def refuse(*, code: str, object_type: str, object_id: str, actor: log.Actor) -> NoReturn:
    """Put a denial on record where no rollback reaches it.

    :raises errors.Problem: always, with `code`
    """
    log.deny(actor=actor, object_type=object_type, object_id=object_id, code=code)
    raise errors.Problem(code=code)


def reason(text: str) -> str:
    """Return a reason that somebody can read a year later.

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
