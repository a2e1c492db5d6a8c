"""The people of the demo: staff of all markets and of two, and the drivers and partners of the samples."""

from audit import log
from documents.access import grants, people
from documents.access.roles import Role
from documents.models import Country, Party

EVERYWHERE: tuple[str, ...] = ()
STAFF: dict[
    str, tuple[tuple[Role, ...], tuple[str, ...]]
] = {  # login -> roles, countries; nobody's rights come from being superuser
    "admin": ((Role.FINANCE, Role.COMPLIANCE, Role.ADMIN), EVERYWHERE),
    "sofia": ((Role.SUPPORT,), EVERYWHERE),
    "ivan": ((Role.AUDITOR,), EVERYWHERE),
    "elena": ((Role.FINANCE,), ("ES",)),
    "marco": ((Role.FINANCE,), ("MX",)),
    "olga": ((Role.COMPLIANCE,), ("MX",)),
}
OWNERS: dict[str, tuple[str, Role]] = {  # name -> party of the samples, role
    "driver_ana": ("drv_77A1", Role.DRIVER),
    "driver_beto": ("drv_MX42", Role.DRIVER),
    "driver_jhon": ("drv_CO7", Role.DRIVER),
    "partner": ("ptn_andes", Role.PARTNER),  # a restaurant
    "partner_fleet": ("flt_valle", Role.PARTNER),
}
PANEL = "/mis-documentos/"


def add_staff(*, password: str, actor: log.Actor) -> None:
    """Add the members of staff, all with one password."""
    for login, (names, countries) in STAFF.items():
        user = people.add(login=login, email="", password=password, is_superuser=login == "admin", actor=actor).user
        for name in names:
            grants.change_role(user=user, role=name, given=True, actor=actor)
        scope = Country.objects.filter(pk__in=countries) if countries else Country.objects.all()
        for country in scope:
            grants.change_scope(user=user, scope=country, given=True, actor=actor)


def users(*, password: str) -> dict[str, dict[str, object]]:
    """Return who can sign in, and how: staff with a password, owners by a code that is mailed to their address."""
    shown: dict[str, dict[str, object]] = {
        login: {
            "username": login,
            "password": password,
            "role": str(names[0]),
            "roles": [str(name) for name in names],
            "countries": list(countries) or sorted(Country.objects.values_list("pk", flat=True)),
            "sign_in": "/admin/",
        }
        for login, (names, countries) in STAFF.items()
    }
    known = {
        party.platform_id: party
        for party in Party.objects.filter(platform_id__in=[name for name, _ in OWNERS.values()])
    }
    for name, (platform_id, role) in OWNERS.items():
        if platform_id in known:
            shown[name] = {
                "username": known[platform_id].email,
                "password": None,  # a code, which the mailbox gets
                "role": str(role),
                "roles": [str(role)],
                "party": platform_id,
                "sign_in": PANEL,
            }
    return shown
