"""The one cast of the suite: Ana owns, Beto is another driver, Carla is a partner, Sofia is staff, Ivan audits."""

import dataclasses

from django.contrib.auth.models import Group, User
from guardian.shortcuts import assign_perm

from documents.models import Country, Issuer, Party

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
    party = Party.objects.create(
        platform_id=platform_id,
        legal_name=legal_name,
        tax_id=tax_id,
        tax_id_type="NIF",
        email=f"{name}@example.com",
        locale="es",
    )
    user = _user(name=name, roles=[role], staff=False)
    assign_perm("documents.own_party", user, party)
    return Member(user=user, party=party)


def staff(*, name: str, roles: list[str], countries: list[str]) -> Member:
    """Create a person of the house, with roles and the countries in her scope."""
    user = _user(name=name, roles=roles, staff=True)
    for code in countries:
        assign_perm("documents.see_country", user, country(code=code))
    return Member(user=user)


def country(*, code: str) -> Country:
    """Return a market, created on first use."""
    return Country.objects.get_or_create(code=code, defaults={"name": COUNTRIES[code]})[0]


def issuer(*, slug: str = "aventide-es", code: str = "AVES", country_code: str = "ES") -> Issuer:
    """Return a company that issues, created on first use."""
    return Issuer.objects.get_or_create(
        slug=slug,
        defaults={
            "code": code,
            "country": country(code=country_code),
            "legal_name": "Aventide Movilidad, S.L.",
            "tax_id": "B12345674",
            "address": "Calle de Alcalá 1, 28014 Madrid",
        },
    )[0]


def _user(*, name: str, roles: list[str], staff: bool) -> User:
    user = User.objects.create_user(
        username=name, email=f"{name}@example.com", password=PASSWORD, first_name=name.title()
    )
    user.is_staff = staff
    user.save(update_fields=["is_staff"])
    for role in roles:
        user.groups.add(Group.objects.get_or_create(name=role)[0])
    return user
