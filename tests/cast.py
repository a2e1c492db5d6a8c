"""The one cast of the suite: Ana owns, Beto is another driver, Carla is a partner, Sofia is staff, Ivan audits."""

import dataclasses
import time

from allauth.mfa.totp.internal import auth as totp
from django.contrib.auth.models import Group, User
from django.db import transaction
from guardian.shortcuts import assign_perm

from audit import log
from audit.actions import Action
from documents.models import Country, Issuer, Party
from tests.services import force

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # of the authenticator app of all staff
PASSWORD = "una contraseña larga"
COUNTRIES = {"ES": "España", "MX": "México", "CO": "Colombia", "CL": "Chile"}
ADDRESS = "198.51.100.7"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Member:
    """A person of the cast: how she logs in, and which party is hers (none for staff)."""

    user: User
    party: Party | None = None


def owner(*, name: str, platform_id: str, legal_name: str, role: str, tax_id: str) -> Member:
    """Create a person who owns one party."""
    with transaction.atomic():
        party = Party.objects.create(
            platform_id=platform_id,
            legal_name=legal_name,
            tax_id=tax_id,
            tax_id_type="NIF",
            email=f"{name}@example.com",
            locale="es",
        )
        log.record(action=Action.PARTY_ADDED, object_type="party", object_id=party.public_id, actor=log.SYSTEM)
    user = _user(name=name, roles=[role], staff=False)
    grant("documents.own_party", user, party)
    return Member(user=user, party=party)


def staff(*, name: str, roles: list[str], countries: list[str]) -> Member:
    """Create a person of the house, with roles and the countries in her scope."""
    user = _user(name=name, roles=roles, staff=True)
    for code in countries:
        grant("documents.see_country", user, country(code=code))
    return Member(user=user)


def country(*, code: str) -> Country:
    """Return a market; those of the packs are there from the start."""
    return Country.objects.get(code=code)


def grant(permission: str, user: User, thing: Country | Party) -> None:
    """Give a right on a row, as the owner of the tables does."""
    with force.by_force():
        assign_perm(permission, user, thing)


def issuer(*, slug: str = "aventide-es", code: str = "AVES", country_code: str = "ES") -> Issuer:
    """Return a company that issues, created on first use."""
    facts = {
        "legal_name": "Aventide Movilidad, S.L.",
        "tax_id": "B12345674",
        "address": "Calle de Alcalá 1, 28014 Madrid",
    }
    with transaction.atomic():
        made, fresh = Issuer.objects.get_or_create(
            slug=slug, defaults={"code": code, "country": country(code=country_code), **facts}
        )
        if fresh:
            log.record(action=Action.ISSUER_ADDED, object_type="issuer", object_id=slug, actor=log.SYSTEM)
    return made


def _user(*, name: str, roles: list[str], staff: bool) -> User:
    with force.by_force():
        user = User.objects.create_user(
            username=name, email=f"{name}@example.com", password=PASSWORD, first_name=name.title(), is_staff=staff
        )
        user.groups.set(Group.objects.filter(name__in=roles))
        if staff:
            enrol(user=user)
    return user


def enrol(*, user: User) -> None:
    """Give a member of staff the second factor without which nothing opens, as the owner of the tables does."""
    with force.by_force():
        totp.TOTP.activate(user, SECRET)


def code(*, steps: int = 0) -> str:
    """Return what the app shows now, or `steps` of 30 s later."""
    return str(totp.format_hotp_value(totp.hotp_value(SECRET, int(time.time()) // 30 + steps)))
