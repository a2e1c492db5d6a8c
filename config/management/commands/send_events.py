"""Signs and posts a JSON list of events, with progress; sending it again changes nothing, so Ctrl-C loses nothing."""

import argparse
import collections
import json
import pathlib
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config import env, sender


class Command(BaseCommand):
    """`manage.py send_events FILE [--url URL] [--secret whsec_...]`."""

    help = "Sign and post a JSON list of events; without --secret, each type with its service's configured secret."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """This method will declare the arguments."""
        parser.add_argument("file", type=pathlib.Path)
        parser.add_argument(
            "--url", default=settings.PUBLIC_URL, help="where the service answers (default: PUBLIC_URL)"
        )
        parser.add_argument("--secret", default="", help="sign everything with this secret")
        parser.add_argument(
            "--senders", type=int, default=1, help="how many post at once (default 1: in the list's order)"
        )

    def handle(self, *args: object, **options: Any) -> None:  # noqa: ANN401, ARG002 - Django's signature
        """This method will post the list and say what became of it; refused events end in exit code 1."""
        try:
            events = json.loads(options["file"].read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CommandError(f"{options['file']}: {error}") from error
        if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
            raise CommandError(f"{options['file']}: a JSON list of events is needed")
        secrets = {
            service: options["secret"] or (known[0] if known else "")
            for service, known in env.webhook_secrets().items()
        }
        missing = sorted(
            {sender.service_of(event=event) for event in events} - {name for name, one in secrets.items() if one}
        )
        if missing:
            raise CommandError(
                f"no secret for {', '.join(missing)}: set WEBHOOK_SECRET_{missing[0].upper()} or give --secret"
            )
        try:
            sent = sender.post_all(
                base_url=options["url"], events=events, secrets=secrets, senders=max(1, options["senders"])
            )
        except OSError as error:
            raise CommandError(f"{options['url']}: {error}") from error
        counts = collections.Counter(str(one.body.get("status", one.status)) for one in sent)
        self.stdout.write(json.dumps({"sent": len(sent), "answers": dict(sorted(counts.items()))}))
        refused = [one for one in sent if one.status >= 400]  # noqa: PLR2004 - HTTP
        for one in refused:
            self.stderr.write(f"{one.event_id}: {one.status} {one.body.get('code')}: {one.body.get('detail')}")
        if refused:
            raise CommandError(f"{len(refused)} of {len(sent)} were refused")
