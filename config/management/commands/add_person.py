"""Adds a person who may sign in, with roles, countries and parties, and invites her: the first `admin` comes so."""

import argparse
import datetime as dt
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email, validate_slug
from django.db import transaction
from django.forms import ValidationError
from django.utils import timezone

from documents import formatting
from documents.access import actors, grants, people, roles
from documents.delivery import invitations
from documents.models import Country, Party

ACTOR = actors.program(name="add_person", channel="command")


class Command(BaseCommand):
    """`make manage ARGS="add_person LOGIN --email A [--role admin] [--country ES] [--party drv_1] [--until DAY]"`."""

    help = "Add a person with roles, countries and parties, and mail her a link by which she sets a password."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("login")
        parser.add_argument("--email", required=True)
        parser.add_argument("--locale", default="es", choices=formatting.LANGUAGES)
        parser.add_argument("--role", action="append", default=[], choices=[role.value for role in roles.Role])
        parser.add_argument("--country", action="append", default=[], help="ISO 3166 alpha-2, or `all`")
        parser.add_argument("--party", action="append", default=[], help="the platform's id of a driver or partner")
        parser.add_argument("--until", type=dt.date.fromisoformat, help="the last day, 2027-01-31")
        parser.add_argument("--show-link", action="store_true", help="print the link, too: it is a secret")

    def handle(self, *_args: object, **options: Any) -> None:
        """Add the person, or nothing.

        :raises CommandError: the login or address is none or is somebody's, or there is no such country or party
        """
        login = _login(stated=options["login"])
        try:
            validate_email(options["email"])
        except ValidationError as error:
            raise CommandError(f"{options['email']!r} is no e-mail address") from error
        scopes: list[Country | Party] = [*_countries(names=options["country"]), *_parties(names=options["party"])]
        now = timezone.now()
        with transaction.atomic():
            person = people.add(login=login, email=options["email"], locale=options["locale"], actor=ACTOR)
            for name in options["role"]:
                grants.change_role(user=person.user, role=roles.Role(name), given=True, actor=ACTOR)
            for scope in scopes:
                grants.change_scope(user=person.user, scope=scope, given=True, actor=ACTOR)
            if options["until"]:
                people.limit(person=person, until_at=people.end_of(day=options["until"]), actor=ACTOR)
            invitation = invitations.plan(person=person, now=now, actor=ACTOR)
        self.stdout.write(f"✓ {login} ({person.public_id}): invitación a {options['email']} · invitation queued")
        if options["show_link"]:
            self.stdout.write(invitations.url(invitation=invitation))


def _login(*, stated: str) -> str:
    """Return a login as it is stored.

    :raises CommandError: it is none, or somebody's
    """
    login = stated.lower()
    try:
        validate_slug(login)
    except ValidationError as error:
        raise CommandError(f"{stated!r}: a login is of letters, digits, `-` and `_`") from error
    if User.objects.filter(username__iexact=login).exists():
        raise CommandError(f"somebody has the login {login!r}: see grant_access")
    return login


def _countries(*, names: list[str]) -> list[Country]:
    """Return the countries of these codes.

    :raises CommandError: there is no such country
    """
    known = list(Country.objects.all() if "all" in names else Country.objects.filter(pk__in=names))
    unknown = set(names) - {"all"} - {country.pk for country in known}
    if unknown:
        raise CommandError(f"no country here: {', '.join(sorted(unknown))}")
    return known


def _parties(*, names: list[str]) -> list[Party]:
    """Return the parties of these ids of the platform.

    :raises CommandError: there is no such party
    """
    known = list(Party.objects.filter(platform_id__in=names))
    unknown = set(names) - {party.platform_id for party in known}
    if unknown:
        raise CommandError(f"no party here: {', '.join(sorted(unknown))}")
    return known
