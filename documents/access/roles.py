"""The roles and the rights of each: the one table that every door reads."""

import datetime as dt
from enum import StrEnum

from django.contrib.auth.models import AnonymousUser, Group, User
from django.utils import timezone

REASON_LENGTH_MIN, REASON_LENGTH_MAX = 10, 200  # of what a person states for the record


class Role(StrEnum):
    """The roles; each is a group of Django's with the same name."""

    SUPPORT = "support"
    FINANCE = "finance"
    COMPLIANCE = "compliance"
    AUDITOR = "auditor"
    ADMIN = "admin"
    DRIVER = "driver"
    PARTNER = "partner"


STAFF = frozenset({Role.SUPPORT, Role.FINANCE, Role.COMPLIANCE, Role.AUDITOR, Role.ADMIN})
OWNERS = frozenset({Role.DRIVER, Role.PARTNER})
READERS = frozenset({Role.SUPPORT, Role.FINANCE, Role.COMPLIANCE, Role.AUDITOR}) | OWNERS

# TABLE: right -> the roles that have it.
RIGHTS: dict[str, frozenset[Role]] = {
    "see": READERS,
    "pdf": READERS,
    "reveal": frozenset({Role.FINANCE, Role.COMPLIANCE, Role.AUDITOR}),  # unmasked data, and the PDF without a reason
    "send": frozenset({Role.SUPPORT, Role.FINANCE}) | OWNERS,
    "retry": frozenset({Role.FINANCE}),
    "correct": frozenset({Role.FINANCE}),
    "approve_difference": frozenset({Role.FINANCE}),
    "resume_issuing": frozenset({Role.FINANCE}),  # after the safety valve of an issuer has stopped it
    "reconcile": frozenset({Role.FINANCE, Role.COMPLIANCE, Role.AUDITOR}),  # sees the work list
    "acknowledge": frozenset({Role.SUPPORT, Role.FINANCE, Role.COMPLIANCE}),
    "release": frozenset({Role.COMPLIANCE}),  # from quarantine
    "hold": frozenset({Role.COMPLIANCE}),  # sets a legal hold; two of them end it
    "audit": frozenset({Role.COMPLIANCE, Role.AUDITOR}),
    "people": frozenset({Role.ADMIN}),  # logins, roles, scopes, until when
    "issuers": frozenset({Role.ADMIN}),  # what is stated of an issuer, and its series
}
READING = frozenset({"see", "pdf"})  # what is left to an owner who is suspended

PUBLIC = frozenset({"public"})  # anybody, nothing personal behind it
SIGNED = frozenset({"platform service"})  # a signature is the identity
LINK = frozenset({"link"})  # a secure link's token is the identity
NOBODY = -1  # the id of no party


def roles_of(*, user: User | AnonymousUser | None) -> frozenset[Role]:
    """Return a user's roles: the groups, without those of staff once the access has ended.

    Read once per request and user object.
    """
    if user is None or not user.is_authenticated or not getattr(user, "is_active", False):
        return frozenset()
    cached: frozenset[Role] | None = user.__dict__.get("_roles")
    if cached is None:
        names, ended = _groups_of(user=user, now=timezone.now())
        cached = frozenset(role for role in Role if role.value in names) & (OWNERS if ended else frozenset(Role))
        user.__dict__["_roles"], user.__dict__["_ended"] = cached, ended
    return cached


def has_ended(*, user: User | AnonymousUser | None) -> bool:
    """Tell whether a user is suspended or his time is over: he reads what is his own, and does nothing more."""
    roles_of(user=user)
    return bool(user.__dict__.get("_ended")) if user is not None else False


def _groups_of(*, user: User, now: dt.datetime) -> tuple[set[str], bool]:
    """Return the names of a user's groups, and whether the access has ended."""
    columns = ("groups__name", "person__suspended_at", "person__access_until_at")
    rows = User.objects.filter(pk=user.pk).values_list(*columns)
    names, ended = set(), False
    for name, suspended_at, until_at in rows:
        names.add(name)
        ended = suspended_at is not None or (until_at is not None and until_at <= now)
    return names, ended


def may(*, user: User | AnonymousUser | None, right: str) -> bool:
    """Tell whether one of the user's roles has a right of RIGHTS."""
    return bool(roles_of(user=user) & RIGHTS[right]) and (right in READING or not has_ended(user=user))


def reading_as(*, user: User | AnonymousUser | None) -> frozenset[Role]:
    """Return the roles by which a user reads documents: the staff roles that may, else the owner's.

    A reading member of staff reads as staff, whatever he owns besides. An admin does not read documents as staff, so
    what he owns is left.
    """
    readers = roles_of(user=user) & RIGHTS["see"]
    return readers & STAFF or readers


def needs_reason(*, user: User | AnonymousUser | None) -> bool:
    """Tell whether a user must state a reason to open a document: reads as staff, without the right `reveal`.

    The right decides, not the set of roles: a further role neither takes the duty away nor adds it.
    """
    reading = reading_as(user=user)
    return bool(reading & STAFF) and not reading & RIGHTS["reveal"]


def ensure_groups() -> None:
    """Create the groups of the roles where they are missing."""
    for role in Role:
        Group.objects.using("owner").get_or_create(name=role.value)
