"""The roles, and the rights each of them has: the table of `product.md`, read by everything that lets somebody in."""

from enum import StrEnum

from django.contrib.auth.models import AnonymousUser, Group, User


class Role(StrEnum):
    """The groups of `product.md`."""

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

# TABLE: right -> the roles that hold it (`product.md`, Roles and ownership).
RIGHTS: dict[str, frozenset[Role]] = {
    "see": READERS,
    "pdf": READERS,
    "reveal": frozenset({Role.FINANCE, Role.COMPLIANCE, Role.AUDITOR}),  # data unmasked and the PDF, for no reason
    "send": frozenset({Role.SUPPORT, Role.FINANCE}) | OWNERS,
    "retry": frozenset({Role.FINANCE}),
    "correct": frozenset({Role.FINANCE}),
    "settle": frozenset({Role.FINANCE}),
    "reconcile": frozenset({Role.FINANCE, Role.COMPLIANCE, Role.AUDITOR}),  # sees the work list
    "acknowledge": frozenset({Role.SUPPORT, Role.FINANCE, Role.COMPLIANCE}),
    "holds": frozenset({Role.COMPLIANCE}),
    "audit": frozenset({Role.COMPLIANCE, Role.AUDITOR}),
    "admin": frozenset({Role.ADMIN}),
}

PUBLIC = frozenset({"public"})  # anybody, nothing personal behind it
SIGNED = frozenset({"platform service"})  # a signature is the identity
LINK = frozenset({"link"})  # a secure link's token is the identity
NOBODY = -1  # no party's number


def roles_of(*, user: User | AnonymousUser | None) -> frozenset[Role]:
    """Return a user's roles: his groups, nothing else. Asked once per request and user object."""
    if user is None or not user.is_authenticated or not getattr(user, "is_active", False):
        return frozenset()
    known = user.__dict__.get("_roles")
    if known is None:
        names = set(user.groups.values_list("name", flat=True))
        known = user.__dict__["_roles"] = frozenset(role for role in Role if role.value in names)
    return known


def may(*, user: User | AnonymousUser | None, right: str) -> bool:
    """Tell whether one of the user's roles holds a right of RIGHTS."""
    return bool(roles_of(user=user) & RIGHTS[right])


def reading_as(*, user: User | AnonymousUser | None) -> frozenset[Role]:
    """Return the roles by which a user reads documents: the house's, else an owner's.

    Who reads for the house does so whatever he owns besides. An admin reads nothing for it: he is left what he owns.
    """
    readers = roles_of(user=user) & RIGHTS["see"]
    return readers & STAFF or readers


def needs_reason(*, user: User | AnonymousUser | None) -> bool:
    """Tell whether a user opens documents only for a stated reason: no role that reads reveals.

    The right decides, not the set of his roles: what else he is takes nothing away and adds nothing.
    """
    reading = reading_as(user=user)
    return bool(reading & STAFF) and not reading & RIGHTS["reveal"]


def ensure_groups() -> None:
    """Make the groups of the roles exist."""
    for role in Role:
        Group.objects.using("owner").get_or_create(name=role.value)
