"""Who gets which role, whose documents, and until when: given and withdrawn here only, with the event that says so.

Nobody changes what she may do herself: that takes another person with the role `admin`.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal

from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from guardian.models import UserObjectPermission

from audit import log
from audit.actions import Action
from documents import locks
from documents.access import deciding
from documents.access.actors import USER
from documents.access.roles import STAFF, Role
from documents.models import Country, Grant, Party, Person

Scope = Country | Party


@dataclass(frozen=True, kw_only=True)
class Thing:
    """What can be lent, by its ids: whoever lends a document does not read it."""

    kind: Literal["party", "document"]
    pk: int
    public_id: str


RIGHTS: dict[type[Country | Party], str] = {Country: "see_country", Party: "own_party"}


def lock(*, user: User, actor: log.Actor) -> None:
    """Lock a person until the transaction ends, because what she may do changes.

    :raises errors.Problem: `second_person_required`, on record, where it is the actor herself
    """
    if actor.id == f"{USER}{user.pk}":
        deciding.refuse(code="second_person_required", object_type="user", object_id=actor.id, actor=actor)
    locks.rows(queryset=Person.objects.filter(user=user).only("pk"))


def add_program(*, party: Party, role: Role, actor: log.Actor) -> User:
    """Return the user as which the keys of a party act; it has no password, and is made with the first key."""
    login = f"api:{party.platform_id}"
    with transaction.atomic():
        user = User.objects.filter(username=login).first() or User.objects.create_user(login)
        change_role(user=user, role=role, given=True, actor=actor)
        change_scope(user=user, scope=party, given=True, actor=actor)
    return user


def change_role(*, user: User, role: Role, given: bool, actor: log.Actor, reason: str = "") -> bool:
    """Give a user a role, or withdraw it; False where nothing had to change. Who has a role of staff is staff.

    :raises errors.Problem: what `lock` raises
    """
    with transaction.atomic():
        lock(user=user, actor=actor)
        groups = User.groups.through.objects.all()
        row: dict[str, Any] = {"user_id": user.pk, "group_id": Group.objects.get(name=role.value).pk}
        changed = groups.get_or_create(**row)[1] if given else bool(groups.filter(**row).delete()[0])
        if changed:
            is_staff = groups.filter(user_id=user.pk, group__name__in=STAFF).exists()
            User.objects.filter(pk=user.pk).exclude(is_staff=is_staff).update(is_staff=is_staff)
            _record(user=user, given=given, what=f"role:{role.value}", actor=actor, reason=reason)
    return changed


def change_scope(*, user: User, scope: Scope, given: bool, actor: log.Actor, reason: str = "") -> bool:
    """Let a user see a country's documents or be a party, or no longer; False where nothing had to change.

    :raises errors.Problem: what `lock` raises
    """
    with transaction.atomic():
        lock(user=user, actor=actor)
        right = Permission.objects.get(codename=RIGHTS[type(scope)], content_type__app_label="documents")
        row: dict[str, Any] = {
            "user_id": user.pk,
            "permission_id": right.pk,
            "content_type_id": right.content_type_id,
            "object_pk": str(scope.pk),
        }
        owned = UserObjectPermission.objects.all()
        changed = owned.get_or_create(**row)[1] if given else bool(owned.filter(**row).delete()[0])
        if changed:
            name = scope.public_id if isinstance(scope, Party) else scope.pk
            _record(user=user, given=given, what=f"{scope._meta.model_name}:{name}", actor=actor, reason=reason)
    return changed


def lend(*, user: User, thing: Thing, expires_at: dt.datetime, actor: log.Actor, reason: str = "") -> bool:
    """Let a user act for a party, or read one document, until a moment; False where it is so already.

    :raises errors.Problem: what `lock` raises
    """
    of = {f"{thing.kind}_id": thing.pk}
    with transaction.atomic():
        lock(user=user, actor=actor)
        given, fresh = Grant.objects.get_or_create(
            user=user, withdrawn_at=None, **of, defaults={"expires_at": expires_at}
        )
        changed = fresh or given.expires_at != expires_at
        if changed:
            Grant.objects.filter(pk=given.pk).update(expires_at=expires_at)
            what = f"{thing.kind}:{thing.public_id}"
            _record(user=user, given=True, what=what, actor=actor, reason=reason, until=expires_at.isoformat())
    return changed


def withdraw(*, grant: Grant, actor: log.Actor, now: dt.datetime, reason: str = "") -> bool:
    """End at once what was lent; False where it had ended so before.

    :raises errors.Problem: what `lock` raises
    """
    with transaction.atomic():
        lock(user=grant.user, actor=actor)
        changed = bool(Grant.objects.filter(pk=grant.pk, withdrawn_at=None).update(withdrawn_at=now))
        if changed:
            _record(user=grant.user, given=False, what=_name(grant=grant), actor=actor, reason=reason)
    return changed


def _name(*, grant: Grant) -> str:
    """Return what was lent, as the log names it; no document is read."""
    columns = ("party__public_id", "document__public_id")
    party, document = Grant.objects.values_list(*columns).get(pk=grant.pk)
    return f"party:{party}" if party else f"document:{document}"


def _record(*, user: User, given: bool, what: str, actor: log.Actor, **details: str) -> None:
    """Record a change; what was given stands in the sealed code, which no erasure touches."""
    log.record(
        action=Action.ACCESS_GRANTED if given else Action.ACCESS_WITHDRAWN,
        object_type="user",
        object_id=f"{USER}{user.pk}",
        actor=actor,
        code=what,
        details={name: text for name, text in details.items() if text},
    )
