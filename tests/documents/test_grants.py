"""Roles and scopes are given and withdrawn on record, once, and take effect at once."""

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from audit.models import Event
from documents.access import scope
from tests import cast, factories

pytestmark = pytest.mark.usefixtures("db")


def said(user: User) -> list[tuple[str, str, str]]:
    rows = Event.objects.filter(object_id=f"usr_{user.pk}").order_by("id")
    return list(rows.values_list("action", "code", "actor_id"))


def test_what_is_given_and_withdrawn_is_on_record_and_decides_what_is_seen() -> None:
    document = factories.document()
    user = cast.staff(name="nuria", roles=[], countries=[]).user
    cast.country(code="ES")
    for _ in range(2):  # the second time nothing changes, and nothing is recorded
        call_command("grant_access", "nuria", "--role", "finance", "--country", "ES")
    fresh = User.objects.get(pk=user.pk)
    assert scope.sees(user_id=fresh.pk, document=document)
    call_command("grant_access", "nuria", "--withdraw", "--country", "ES", "--role", "finance")
    assert not scope.sees(user_id=fresh.pk, document=document)
    call_command("grant_access", "nuria", "--role", "driver", "--party", document.owner.platform_id)
    assert scope.sees(user_id=fresh.pk, document=document)
    assert said(user) == [
        ("access.granted", "role:finance", "grant_access"),
        ("access.granted", "country:ES", "grant_access"),
        ("access.withdrawn", "role:finance", "grant_access"),
        ("access.withdrawn", "country:ES", "grant_access"),
        ("access.granted", "role:driver", "grant_access"),
        ("access.granted", f"party:{document.owner.public_id}", "grant_access"),
    ]
    for wrong in (["nobody", "--role", "finance"], ["nuria", "--country", "ZZ"], ["nuria", "--party", "drv_none"]):
        with pytest.raises(CommandError, match=r"nobody has the login|is no country or party here"):
            call_command("grant_access", *wrong)
