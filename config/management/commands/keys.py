"""Makes, lists, rotates and revokes keys of the API; each change is put on record."""

import argparse
import datetime as dt
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from documents import errors
from documents.access import actors, grants, keys, roles
from documents.access.admission import KeyScope
from documents.models import ApiKey, Party
from documents.sentences import writing

SCOPES_DEFAULT = (KeyScope.READ, KeyScope.CONTENT)
DAYS_MAX = 3650


class Command(BaseCommand):
    """`make manage ARGS="keys create --party rst_1"`, `keys list`, `keys rotate KEY`, `keys revoke KEY`."""

    help = "Make, list, rotate and revoke keys of the API."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        tasks = parser.add_subparsers(dest="task", required=True)
        create = tasks.add_parser("create", help="make a key and show it, this once")
        whose = create.add_mutually_exclusive_group(required=True)
        whose.add_argument("--party", help="the platform's id of the driver or partner whose documents it opens")
        whose.add_argument("--login", help="the member of staff as whom it acts")
        create.add_argument(
            "--role", choices=sorted(roles.OWNERS), default=roles.Role.PARTNER.value, help="of the party"
        )
        create.add_argument("--name", default="", help="what its owner calls it")
        create.add_argument("--scope", action="append", choices=[scope.value for scope in KeyScope])
        create.add_argument("--days", type=int, default=keys.LIFE.days, help="after which it expires")
        listed = tasks.add_parser("list", help="show what keys there are")
        listed.add_argument("--party", default="")
        for task, text in (("rotate", "make the key that follows"), ("revoke", "end a key at once")):
            tasks.add_parser(task, help=text).add_argument("key", help="its id, such as key_01k...")

    def handle(self, *_args: object, **options: Any) -> None:
        """Do what is asked.

        :raises CommandError: there is no such party, person or key, or the key has ended
        """
        now, actor = timezone.now(), actors.program(name="keys", channel="command")
        try:
            if options["task"] == "create":
                self._show(*_create(options=options, now=now))
            elif options["task"] == "list":
                self._list(party=options["party"])
            elif options["task"] == "rotate":
                self._show(*keys.rotate(key=_key(options["key"]), actor=actor, now=now))
            else:
                ended = keys.revoke(key=_key(options["key"]), actor=actor, now=now)
                self.stdout.write(f"✓ {options['key']}: {'revocada · revoked' if ended else 'ya lo estaba · it was'}")
        except errors.Problem as problem:
            raise CommandError(writing.of_problem(problem=problem, language="en")) from problem

    def _show(self, key: ApiKey, text: str) -> None:
        """Write a new key: the text alone to stdout, so that a script can read it, all else to stderr."""
        until = f"{key.expires_at:%Y-%m-%d}"
        self.stderr.write(
            f"✓ {key.public_id} ({', '.join(key.scopes)}), hasta · until {until}. Se muestra una vez · shown once:"
        )
        self.stdout.write(text)

    def _list(self, *, party: str) -> None:
        """Write a line a key, the newest first."""
        rows = ApiKey.objects.select_related("party", "user").order_by("-pk")
        for key in rows.filter(party__platform_id=party) if party else rows:
            whose = key.party.platform_id if key.party else key.user.get_username()
            ended = "revoked" if key.revoked_at else f"until {key.expires_at:%Y-%m-%d}"
            used = f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never"
            self.stdout.write(f"{key.public_id}  {whose}  {','.join(key.scopes)}  {ended}  used {used}  {key.name}")


def _create(*, options: dict[str, Any], now: dt.datetime) -> tuple[ApiKey, str]:
    """Make a key for a party or a member of staff.

    :raises CommandError: there is no such party or person, or it would live for no time or too long
    """
    if not 0 < options["days"] <= DAYS_MAX:
        raise CommandError(f"--days takes 1 to {DAYS_MAX}")
    actor = actors.program(name="keys", channel="command")
    user: User | None
    party = Party.objects.filter(platform_id=options["party"]).first() if options["party"] else None
    if options["party"] and party is None:
        raise CommandError(f"{options['party']!r} is no party here")
    if party is not None:
        user = grants.add_program(party=party, role=roles.Role(options["role"]), actor=actor)
    else:
        user = User.objects.filter(username=options["login"], is_active=True).first()
    if user is None:
        raise CommandError(f"nobody has the login {options['login']!r}")
    return keys.create(
        user=user,
        party=party,
        name=options["name"] or options["party"] or options["login"],
        scopes=[KeyScope(scope) for scope in options["scope"] or SCOPES_DEFAULT],
        actor=actor,
        expires_at=now + dt.timedelta(days=options["days"]),
    )


def _key(public_id: str) -> ApiKey:
    """Return a key.

    :raises CommandError: there is none with this id
    """
    key = ApiKey.objects.filter(public_id=public_id).first()
    if key is None:
        raise CommandError(f"{public_id!r} is no key here")
    return key
