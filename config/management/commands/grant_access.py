"""Gives a user roles, countries and parties, or withdraws them; each change is put on record."""

import argparse
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from documents.access import actors, grants, roles
from documents.models import Country, Party


class Command(BaseCommand):
    """`make manage ARGS="grant_access LOGIN [--role finance] [--country ES] [--party drv_1] [--withdraw]"`."""

    help = "Give a user roles, countries and parties, or withdraw them."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("login")
        parser.add_argument("--role", action="append", default=[], choices=[role.value for role in roles.Role])
        parser.add_argument("--country", action="append", default=[], help="ISO 3166 alpha-2")
        parser.add_argument("--party", action="append", default=[], help="the platform's id of a driver or partner")
        parser.add_argument("--withdraw", action="store_true", help="take away what is named instead")

    def handle(self, *_args: object, **options: Any) -> None:
        """Change what is named.

        :raises CommandError: nobody has that login, or there is no such country or party; nothing is changed then
        """
        user = User.objects.filter(username=options["login"]).first()
        if user is None:
            raise CommandError(f"nobody has the login {options['login']!r}")
        scopes: list[Country | Party] = []
        for name in options["country"]:
            scopes += Country.objects.filter(pk=name) or _unknown(name)
        for name in options["party"]:
            scopes += Party.objects.filter(platform_id=name) or _unknown(name)
        actor, given = actors.program(name="grant_access", channel="command"), not options["withdraw"]
        changed = 0
        for name in options["role"]:
            changed += grants.change_role(user=user, role=roles.Role(name), given=given, actor=actor)
        for scope in scopes:
            changed += grants.change_scope(user=user, scope=scope, given=given, actor=actor)
        self.stdout.write(f"✓ {user.username}: {changed} cambios · changes")


def _unknown(name: str) -> list[Country | Party]:
    """Refuse a name.

    :raises CommandError: always
    """
    raise CommandError(f"{name!r} is no country or party here")
