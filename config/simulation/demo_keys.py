"""The keys of the demo: of two partners, of two drivers, and of two members of staff."""

import datetime as dt

from django.contrib.auth.models import User

from audit import log
from documents.access import grants, keys
from documents.access.admission import KeyScope
from documents.access.roles import Role
from documents.models import Party

OWNERS = {  # name -> party of the samples, role
    "partner": ("ptn_andes", Role.PARTNER),
    "partner_fleet": ("flt_valle", Role.PARTNER),
    "driver_ana": ("drv_77A1", Role.DRIVER),
    "driver_beto": ("drv_MX42", Role.DRIVER),
}
OWN_SCOPES = (KeyScope.READ, KeyScope.CONTENT, KeyScope.LINKS, KeyScope.CONTACT)
STAFF = {  # name -> login, scopes
    "finance": ("admin", tuple(KeyScope)),
    "auditor": ("ivan", (KeyScope.READ, KeyScope.CONTENT, KeyScope.WORKLIST, KeyScope.CUSTODY)),
}


def create(*, actor: log.Actor, now: dt.datetime) -> dict[str, str]:
    """Make the keys of the people and parties that there are, and return their texts by name."""
    made: dict[str, str] = {}
    for name, (platform_id, role) in OWNERS.items():
        party = Party.objects.filter(platform_id=platform_id).first()
        if party is not None:
            user = grants.add_program(party=party, role=role, actor=actor)
            made[name] = _key(name=name, user=user, party=party, scopes=OWN_SCOPES, actor=actor, now=now)
    for name, (login, scopes) in STAFF.items():
        person = User.objects.get(username=login)
        made[name] = _key(name=name, user=person, party=None, scopes=scopes, actor=actor, now=now)
    return made


def _key(
    *, name: str, user: User, party: Party | None, scopes: tuple[KeyScope, ...], actor: log.Actor, now: dt.datetime
) -> str:
    """Make a key and return its text."""
    _row, text = keys.create(user=user, party=party, name=name, scopes=scopes, actor=actor, expires_at=now + keys.LIFE)
    return text
