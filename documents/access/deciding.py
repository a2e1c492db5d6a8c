"""What every decision of a person needs: the right, and the country in scope; what lacks is refused on record."""

from typing import NoReturn

from django.contrib.auth.models import User

from audit import log
from documents import errors
from documents.access import roles, scope
from documents.models import Country


def require(*, right: str, user: User, country: str, object_type: str, object_id: str, actor: log.Actor) -> None:
    """Refuse whoever lacks a right or the country, and record the denial.

    :raises errors.Problem: `role_not_allowed`, `country_out_of_scope`
    """
    if not roles.may(user=user, right=right):
        refuse(code="role_not_allowed", object_type=object_type, object_id=object_id, actor=actor)
    if not _in_scope(user=user, country=country):
        refuse(code="country_out_of_scope", object_type=object_type, object_id=object_id, actor=actor)


def _in_scope(*, user: User, country: str) -> bool:
    """Tell whether a country is in the person's scope; an unknown one is for those whose scope is every country."""
    mine = scope.countries_for(user=user)
    if mine.filter(pk=country).exists():
        return True
    return not Country.objects.filter(pk=country).exists() and 0 < Country.objects.count() == mine.count()


def refuse(*, code: str, object_type: str, object_id: str, actor: log.Actor) -> NoReturn:
    """Record a denial, outside of the caller's transaction so that no rollback undoes it.

    :raises errors.Problem: always, with `code`
    """
    log.deny(actor=actor, object_type=object_type, object_id=object_id, code=code)
    raise errors.Problem(code=code)
