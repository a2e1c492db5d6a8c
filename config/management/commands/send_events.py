"""Signs and posts a JSON list of events, with progress; sending it again changes nothing, so Ctrl-C loses nothing.

With --dry-run it says what would become of each, and writes nothing; with --resume it goes on after a break.
"""

import argparse
import collections
import http.client
import json
import pathlib
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from config import env
from config.embedded import ending
from config.simulation import acknowledged, rehearsal, sender
from documents.emission import valve
from documents.webhooks import signing

NOT_ITS_OWN = {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
}  # nobody's signature, or that of a service that does not send this type
ANOTHER_WAY = "set it, sign everything with --secret, or take part in a running demo with DEMO=8000"


class Command(BaseCommand):
    """`make manage ARGS="send_events FILE [--url URL] [--secret whsec_...] [--resume]"`: needs only the door.

    `--dry-run` needs the service's database instead.
    """

    help = "Sign and post a JSON list of events, each with the secret of its own service (WEBHOOK_SECRET_...)."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("file", type=pathlib.Path)
        parser.add_argument(
            "--url", default=settings.PUBLIC_URL, help="where the service answers (default: PUBLIC_URL)"
        )
        parser.add_argument("--secret", default="", help="sign everything with this secret instead")
        parser.add_argument(
            "--senders", type=int, default=1, help="how many post at once (default 1: in the list's order)"
        )

        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be issued, held or repeated; nothing is written"
        )
        parser.add_argument(
            "--resume", action="store_true", help="leave out what that address has acknowledged before a break"
        )

    def handle(self, *_args: object, **options: Any) -> None:
        """Post the list and say what became of it; refused events end in exit code 1.

        :raises CommandError: the file, a secret, the address or the database cannot be used, or events were refused
        """
        events = _events(path=options["file"])
        if options["dry_run"]:
            self.rehearse(events=events)
            return
        url = _address(url=options["url"])
        secrets = _secrets(services={sender.service_of(event=event) for event in events}, only=options["secret"])
        memory = acknowledged.Acknowledged(events_file=options["file"], url=url, resume=options["resume"])
        left = memory.left(events=events)
        sent = self.post(events=left, url=url, secrets=secrets, senders=max(1, options["senders"]), memory=memory)
        counts = collections.Counter(str(answer.body.get("status", answer.status)) for answer in sent)
        replayed = sum(answer.body.get("replayed") is True for answer in sent)
        before: dict[str, Any] = {"acknowledged_before": len(events) - len(left)} if options["resume"] else {}
        held = collections.Counter(str(answer.body.get("code")) for answer in sent if _is_held(answer))
        why = {"held": dict(sorted(held.items()))} if held else {}
        self.stdout.write(
            json.dumps(
                {"sent": len(sent), "answers": dict(sorted(counts.items())), "replayed": replayed, **why, **before}
            )
        )
        if paused := held[valve.PAUSED]:
            self.stderr.write(
                f"{paused} are stored and held: their issuer is paused, for more than its limit has come. Once a person"
                " resumes it in the Document Center they are issued in order of arrival; send nothing again."
            )
        self.print_refused(sent=sent)

    def post(
        self,
        *,
        events: Sequence[dict[str, Any]],
        url: str,
        secrets: Mapping[str, str],
        senders: int,
        memory: acknowledged.Acknowledged,
    ) -> list[sender.PostedEvent]:
        """Post what is left of the list, and remember what is acknowledged until all of it has been answered.

        :raises CommandError: nobody answers, or Ctrl-C; --resume goes on from there
        """
        try:
            sent = sender.post_all(base_url=url, events=events, secrets=secrets, senders=senders, answered=memory.add)
        except (OSError, http.client.HTTPException) as error:
            raise CommandError(
                f"{url} does not answer ({error}): name the right address with --url, or start a demo with make demo;"
                " --resume goes on from there"
            ) from error
        except KeyboardInterrupt:
            mend = "--resume goes on from there" if not memory.fault else f"send all of it again ({memory.fault})"
            raise CommandError(f"interrupted, and nothing is lost: {mend}", returncode=ending.INTERRUPTED) from None
        memory.forget()
        return sent

    def rehearse(self, *, events: Sequence[dict[str, Any]]) -> None:
        """Say how many events, and which, would come to each outcome; nothing is written.

        :raises CommandError: there is no database to ask, or events would be refused
        """
        if not env.text(name="DATABASE_URL"):
            raise CommandError(
                "--dry-run asks the service's database: set DATABASE_URL, or take part in a running demo with DEMO=8000"
            )
        try:
            rehearsed, pauses = rehearsal.rehearse_all(events=events, now=timezone.now())
        except KeyboardInterrupt:
            raise CommandError("interrupted: nothing was written", returncode=ending.INTERRUPTED) from None
        would: dict[str, list[str]] = {}
        for row in rehearsed:
            would.setdefault(f"{row.outcome} {row.code}".strip(), []).append(row.event_id)
        outcomes = {outcome: {"count": len(ids), "events": ids} for outcome, ids in sorted(would.items())}
        said: dict[str, Any] = {"dry_run": True, "events": len(events), "would_be": outcomes}
        for issuer, pause in sorted(pauses.items()):
            limit = {"limit": pause.reached.limit, "most": pause.reached.most}
            minutes = {"minutes": pause.reached.minutes} if pause.reached.minutes else {}
            reached_by = {"documents_before": pause.documents, "event": rehearsed[pause.place].event_id}
            said.setdefault("would_pause", {})[issuer] = limit | minutes | reached_by
            within = f"{pause.reached.minutes} minutes" if pause.reached.minutes else "a day"
            self.stderr.write(
                f"{issuer} would be paused at {reached_by['event']}: sent at once, the list comes to more than the"
                f" {pause.reached.most} documents that it may issue in {within}. Send it in parts, or set its limit in"
                " the Document Center; else a person has to resume it there, and the rest is issued then."
            )
        self.stdout.write(json.dumps(said))
        if refused := [row for row in rehearsed if row.outcome == "refused"]:
            raise CommandError(f"{len(refused)} of {len(events)} would be refused")

    def print_refused(self, *, sent: Sequence[sender.PostedEvent]) -> None:
        """Name each refused event and its code.

        :raises CommandError: there are any
        """
        refused = [answer for answer in sent if answer.status >= HTTPStatus.BAD_REQUEST]
        for answer in refused:
            self.stderr.write(
                f"{answer.event_id}: {answer.status} {answer.body.get('code')}: {answer.body.get('detail')}"
            )
        wrong = any(answer.status in NOT_ITS_OWN for answer in refused)
        mend = f"; 401 and 403: the secret is not the one that service has there: {ANOTHER_WAY}" if wrong else ""
        if refused:
            raise CommandError(f"{len(refused)} of {len(sent)} were refused{mend}")


def _is_held(answer: sender.PostedEvent) -> bool:
    return answer.body.get("status") == "held"


def _events(*, path: pathlib.Path) -> list[dict[str, Any]]:
    """Read the list of a file.

    :raises CommandError: it cannot be read, or holds something else
    """
    try:
        events = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CommandError(f"{path}: {error}") from error
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise CommandError(f"{path}: a JSON list of events is needed")
    return events


def _address(*, url: str) -> str:
    """Return the address if events can be posted there.

    :raises CommandError: it is none
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise CommandError(f"--url {url}: use http://host:port or https://host")
    return url


def _secrets(*, services: set[str], only: str) -> Mapping[str, str]:
    """Return the secret with which each of these services signs: its newest, or `only`.

    :raises CommandError: one is missing, or none at all
    """
    secrets = {service: only or (settings.WEBHOOK_SECRETS[service] or [""])[0] for service in sorted(services)}
    if missing := [f"WEBHOOK_SECRET_{service.upper()}" for service, secret in secrets.items() if not secret]:
        raise CommandError(f"no secret in {', '.join(missing)}: {ANOTHER_WAY}")
    for service, secret in secrets.items():
        try:
            signing.key_bytes(secret=secret)
        except ValueError as error:
            place = "--secret" if only else f"WEBHOOK_SECRET_{service.upper()}"
            raise CommandError(f"{place}: {error}") from error
    return secrets
