"""Who gets which role and whose documents: given and withdrawn here only, with the event that says so.

Written through the owner's connection: what serves requests gives nobody a role or a scope.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from guardian.models import UserObjectPermission

from audit import log
from audit.actions import Action
from documents.access.actors import USER
from documents.access.roles import Role
from documents.models import Country, Party

OWNER = "owner"
Scope = Country | Party
RIGHTS: dict[type[Country | Party], str] = {Country: "see_country", Party: "own_party"}


def add_staff(*, login: str, password: str, names: Sequence[str], is_superuser: bool, actor: log.Actor) -> User:
    """Add a member of staff with roles, for every country."""
    with transaction.atomic(using=OWNER):
        user = User.objects.db_manager(OWNER).create_user(
            login, password=password, is_staff=True, is_superuser=is_superuser
        )
        for name in names:
            change_role(user=user, role=Role(name), given=True, actor=actor)
        for country in Country.objects.using(OWNER).all():
            change_scope(user=user, scope=country, given=True, actor=actor)
    return user


def add_program(*, party: Party, role: Role, actor: log.Actor) -> User:
    """Return the user as which the keys of a party act; it has no password, and is made with the first key."""
    login = f"api:{party.platform_id}"
    with transaction.atomic(using=OWNER):
        user = User.objects.using(OWNER).filter(username=login).first()
        if user is None:
            user = User.objects.db_manager(OWNER).create_user(login)
        change_role(user=user, role=role, given=True, actor=actor)
        change_scope(user=user, scope=party, given=True, actor=actor)
    return User.objects.get(pk=user.pk)  # as what serves requests reads it


def change_role(*, user: User, role: Role, given: bool, actor: log.Actor) -> bool:
    """Give a user a role, or withdraw it; False where nothing had to change."""
    with transaction.atomic(using=OWNER):
        groups = User.groups.through.objects.using(OWNER)
        row: dict[str, Any] = {"user_id": user.pk, "group_id": Group.objects.using(OWNER).get(name=role.value).pk}
        changed = groups.get_or_create(**row)[1] if given else bool(groups.filter(**row).delete()[0])
        if changed:
            _record(user=user, given=given, what=f"role:{role.value}", actor=actor)
    return changed


def change_scope(*, user: User, scope: Scope, given: bool, actor: log.Actor) -> bool:
    """Let a user see a country's documents or act for a party, or no longer; False where nothing had to change."""
    with transaction.atomic(using=OWNER):
        right = Permission.objects.using(OWNER).get(codename=RIGHTS[type(scope)], content_type__app_label="documents")
        grants = UserObjectPermission.objects.using(OWNER)
        row: dict[str, Any] = {
            "user_id": user.pk,
            "permission_id": right.pk,
            "content_type_id": right.content_type_id,
            "object_pk": str(scope.pk),
        }
        changed = grants.get_or_create(**row)[1] if given else bool(grants.filter(**row).delete()[0])
        if changed:
            name = scope.public_id if isinstance(scope, Party) else scope.pk
            _record(user=user, given=given, what=f"{scope._meta.model_name}:{name}", actor=actor)
    return changed


def _record(*, user: User, given: bool, what: str, actor: log.Actor) -> None:
    """Record a change; what was given stands in the sealed code, which no erasure touches."""
    log.record(
        action=Action.ACCESS_GRANTED if given else Action.ACCESS_WITHDRAWN,
        object_type="user",
        object_id=f"{USER}{user.pk}",
        actor=actor,
        code=what,
        using=OWNER,
    )
