"""Shows the product on sample events: sent, numbered, locked, delivered, verified; then serves it."""

import datetime as dt
import hashlib
import io
import json
import os
import pathlib
import secrets
import signal
import time
import urllib.request
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from audit.models import Event as AuditEvent
from config import env, progress
from config.embedded import commands, copies
from config.simulation import demo, demo_keys, demo_people, sender
from documents import presentation
from documents.access import actors
from documents.delivery import links
from documents.emission import attachments, custody
from documents.models import Channel, Delivery, DeliveryStatus, Document, Link, Party, Status
from documents.rendering import render
from documents.vault import store

SAMPLES = pathlib.Path(__file__).resolve().parents[2] / "samples"
FILES = ("es_ride.json", "mx_week.json", "mx_fleet.json", "co_food.json", "co_refund.json")
ACCEPTED = {HTTPStatus.OK, HTTPStatus.CREATED}
WAIT_MAX_S = 180.0
LOOK_EVERY_S = 0.2
BACKUP_EVERY_S = 86_400.0


class Command(BaseCommand):
    """`make demo`: PORT, DEMO_EXIT=1 and DEMO_JSON=FILE are read from the environment."""

    help = "Run the line on sample events with private servers, check every byte, and serve until Ctrl-C."

    def handle(self, *_args: object, **_options: Any) -> None:
        """Run the demo; it fails unless every document is locked and every check passed."""
        began = time.monotonic()
        self.say("Preparando base de datos, bóveda y emisores · Preparing database, vault and issuers")
        call_command("provision", verbosity=0)
        call_command("add_issuer", str(SAMPLES / "issuers.json"), stdout=self.stdout)
        password = _staff()
        with demo.process_group() as group:
            try:
                group.await_web(within_s=WAIT_MAX_S)
            except TimeoutError as error:
                raise CommandError(f"el servidor no responde; mira {demo.folder() / 'web.log'}") from error
            self.say(f"Servicio en marcha · Service up: {settings.PUBLIC_URL}")
            events = [event for name in FILES for event in json.loads((SAMPLES / name).read_text(encoding="utf-8"))]
            secrets_of = {service: known[0] for service, known in settings.WEBHOOK_SECRETS.items()}
            sent = sender.post_all(base_url=settings.PUBLIC_URL, events=events, secrets=secrets_of)
            refused = [answer for answer in sent if answer.status not in ACCEPTED]
            self.show_progress()
            problems = [f"{answer.event_id}: {answer.status} {answer.body}" for answer in refused] + self.verify()
            for problem in problems:
                self.stderr.write(f"✗ {problem}")
            if problems:
                raise CommandError(f"{len(problems)} comprobaciones fallidas · checks failed")
            self.back_up()
            self.say(f"✓ Todo comprobado en {time.monotonic() - began:.0f} s · Everything checked")
            self.print_addresses(password=password)
            if env.text(name="DEMO_EXIT") != "1":
                self.serve()

    def say(self, text: str) -> None:
        """Print a line at once."""
        self.stdout.write(text)
        self.stdout.flush()

    def show_progress(self) -> None:
        """Show each document on its way to LOCKED and each mail on its way out.

        :raises CommandError: something is still on its way after WAIT_MAX_S
        """
        total = Document.objects.count()
        mails = Delivery.objects.filter(channel=Channel.EMAIL)
        until = time.monotonic() + WAIT_MAX_S
        seen: set[tuple[int, str]] = set()
        with progress.progress(label="resguardados y entregados", total=total) as step:
            while True:
                for document in Document.objects.filter(status=Status.LOCKED).order_by("pk"):
                    if (document.pk, "LOCKED") not in seen:
                        seen.add((document.pk, "LOCKED"))
                        step(note=document.number)
                        self.say(
                            f"  {document.number:<24} ISSUED → LOCKED   "
                            f"{document.file_sha256[:16]}…  {document.vault_mode}  {document.vault_version[:32]}"
                        )
                for mail in (
                    mails.exclude(status=DeliveryStatus.QUEUED).select_related("document").defer("document__content")
                ):
                    if (mail.pk, "MAIL") not in seen:
                        seen.add((mail.pk, "MAIL"))
                        self.say(f"  {mail.document.number:<24} {mail.channel} → {mail.status}")
                locked = sum(1 for _, what in seen if what == "LOCKED")
                if locked == total and not mails.filter(status=DeliveryStatus.QUEUED).exists():
                    return
                if time.monotonic() > until:
                    raise CommandError(
                        f"{total - locked} documentos sin resguardar; mira {demo.folder() / 'worker.log'}"
                    )
                time.sleep(LOOK_EVERY_S)

    def verify(self) -> list[str]:
        """Check every document independently of the line, and return what is wrong."""
        wrong: list[str] = []
        documents = list(Document.objects.select_related("issuer", "country", "owner").order_by("pk"))
        with progress.progress(label="verificados", total=len(documents)) as step:
            for document in documents:
                wrong += [f"{document.number}: {what}" for what in _faults(document)]
                step(note=document.number)
        for series in {document.series_id for document in documents}:
            numbers = sorted(document.sequence for document in documents if document.series_id == series)
            if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
                wrong.append(f"serie {series}: {numbers}")
        mails = {path.name for path in pathlib.Path(str(settings.EMAIL_FILE_PATH)).glob("*.eml")}
        sent = Delivery.objects.filter(channel=Channel.EMAIL, status=DeliveryStatus.SENT).count()
        if len(mails) < sent:
            wrong.append(f"{sent} correos enviados, {len(mails)} en el buzón")
        for url in _links():
            with urllib.request.urlopen(url, timeout=10) as page:  # noqa: S310 - our own http address
                if page.status != HTTPStatus.OK:
                    wrong.append(f"enlace: {page.status}")
        return wrong

    def back_up(self) -> None:
        """Take a copy of the private PostgreSQL, bring it back beside it, and put both on record."""
        stack = commands.private_stack()
        if stack is None:
            return  # whoever gave the server takes its copies
        event, documents = copies.rehearse(stack=stack)
        for arguments in ([], ["--restored"]):
            call_command("record_backup", *arguments, stdout=io.StringIO())
        self.say(
            f"✓ Copia tomada y restaurada aparte · Backup taken and restored beside: {documents} PDF, {event} events"
        )

    def print_addresses(self, *, password: str) -> None:
        """Print where to click, and write DEMO_JSON."""
        base = settings.PUBLIC_URL
        urls = _links()
        self.say("")
        self.say(f"  Document Center   {base}/admin/")
        for login, (names, countries) in demo_people.STAFF.items():
            self.say(
                f"    {login:<8} {password}   ({', '.join(names)}{': ' if countries else ''}{', '.join(countries)})"
            )
        self.say(f"  Panel             {base}{demo_people.PANEL}")
        self.say(f"    {', '.join(_owners())}: código por correo · code by mail, {settings.EMAIL_FILE_PATH}")
        self.say("  Enlaces seguros · Secure links")
        for url, link in zip(urls, _open_links(), strict=True):
            self.say(f"    {link.document.number:<24} {url}")
        document = Document.objects.order_by("pk").first()
        if document:
            self.say(f"  Verificación · Verification   {base}/v/{document.verification_code}")
        self.say(f"  Correo · Mail      {settings.EMAIL_FILE_PATH}")
        self.say(f"  Bóveda · Vault     {settings.VAULT_URL} ({store.open_vault().mode})")
        if not settings.VAULT_URL.startswith("s3:"):
            self.say("    Una carpeta, no S3: no puede prometer WORM · A folder, not S3: it cannot promise WORM")
        if env.text(name="DEMO_EXIT") != "1":
            self.invite(port=urlsplit(base).port)
        target = env.text(name="DEMO_JSON")
        if target:
            _write_atomically(path=pathlib.Path(target), value=_summary(password=password, urls=urls))

    def invite(self, *, port: int | None) -> None:
        """Print commands that take part in this demo, as they are typed."""
        demo.record()
        self.say("  En otra terminal, en esta carpeta · In another terminal, in this folder")
        self.say("    Los mismos eventos otra vez: no se emite nada · The same events again: nothing is issued")
        self.say(f'      make manage DEMO={port} ARGS="send_events config/samples/es_ride.json"')
        self.say("    Todo cuadra al céntimo · Everything agrees to the cent")
        self.say(f"      make manage DEMO={port} ARGS=reconcile_payouts")

    def serve(self) -> None:
        """Wait for Ctrl-C."""
        self.say("\nSirviendo; Ctrl-C para terminar · Serving; Ctrl-C ends")
        ended = False

        def end(_number: int, _frame: object) -> None:
            nonlocal ended
            ended = True

        signal.signal(signal.SIGINT, end)
        signal.signal(signal.SIGTERM, end)
        backed_up = time.monotonic()
        while not ended:
            time.sleep(0.2)
            if time.monotonic() - backed_up > BACKUP_EVERY_S:
                backed_up = time.monotonic()
                self.back_up()


def _staff() -> str:
    """Create the demo's logins with one random password and return it."""
    password = secrets.token_urlsafe(12)
    actor = actors.program(name="demo", channel="command")
    demo_people.add_staff(password=password, actor=actor)
    return password


def _owners() -> list[str]:
    """Return the addresses with which drivers and partners sign in to the panel."""
    ids = [platform_id for platform_id, _role in demo_people.OWNERS.values()]
    return list(Party.objects.filter(platform_id__in=ids).order_by("pk").values_list("email", flat=True))


def _faults(document: Document) -> list[str]:
    """Return what is wrong with a document: state, stored bytes, embedded content, re-render, audit events."""
    faults: list[str] = []
    if document.status != Status.LOCKED:
        return [f"{document.status} ({document.cause})"]
    vault = store.open_vault(url=document.vault_url)
    body = vault.read(key=document.vault_key, version=document.vault_version)
    vault.verify(
        key=document.vault_key,
        version=document.vault_version,
        sha256=document.file_sha256,
        size=document.file_bytes or 0,
        retain_until=custody.lock_end(document=document),
    )
    if hashlib.sha256(body).hexdigest() != document.file_sha256:
        faults.append("bytes distintos en la bóveda · stored bytes differ")
    if hashlib.sha256(document.content.encode()).hexdigest() != document.content_sha256:
        faults.append("contenido distinto · frozen content differs")
    if attachments.content_sha256(pdf=body) != document.content_sha256:
        faults.append("content.json distinto · embedded content differs")
    logo = bytes(document.issuer.logo) if document.issuer.logo else None
    again = render.render(content=json.loads(document.content), issued_at=document.issued_at, logo=logo)
    if again.pdf != body:
        faults.append("otra composición da otros bytes · re-rendering gives other bytes")
    actions = set(AuditEvent.objects.filter(object_id=document.public_id).values_list("action", flat=True))
    faults += [f"falta {action}" for action in ("document.issued", "document.locked") if action not in actions]
    return faults


def _open_links() -> list[Link]:
    return list(
        Link.objects.filter(revoked_at=None).select_related("document").defer("document__content").order_by("pk")
    )


def _links() -> list[str]:
    return [links.url(link=link) for link in _open_links()]


def _vault() -> dict[str, object]:
    """Return where the documents are: in a folder, or in a bucket with its keys."""
    url = settings.VAULT_URL
    if not url.startswith("s3:"):
        return {"vault": url.removeprefix("file://"), "vault_s3": None}
    keys = {"access": env.text(name="AWS_ACCESS_KEY_ID"), "secret": env.text(name="AWS_SECRET_ACCESS_KEY")}
    return {"vault": None, "vault_s3": {"url": url, **keys}}


def _summary(*, password: str, urls: list[str]) -> dict[str, object]:
    """Return what DEMO_JSON tells programs: a contract, whose fields are added to and never renamed.

    What this demo does not have is null or empty: a folder or an S3 vault.
    """
    documents = presentation.joined(rows=Document.objects.order_by("pk"))
    return {
        "base_url": settings.PUBLIC_URL,
        "admin": {"username": "admin", "password": password},
        "webhooks": {service: known[0] for service, known in settings.WEBHOOK_SECRETS.items()},
        "database_url": env.text(name="DATABASE_URL"),
        "database_owner_url": env.text(name="DATABASE_OWNER_URL"),
        **_vault(),
        "mail": settings.EMAIL_FILE_PATH,
        "links": urls,
        "documents": presentation.documents(rows=documents),
        "environment": demo.environment(),
        "keys": demo_keys.create(actor=actors.program(name="demo", channel="command"), now=dt.datetime.now(tz=dt.UTC)),
        "users": demo_people.users(password=password),
        "metrics_token": settings.METRICS_TOKEN,
        "ready_at": dt.datetime.now(tz=dt.UTC).isoformat(),
    }


def _write_atomically(*, path: pathlib.Path, value: object) -> None:
    """Write a file that readers see whole or not at all."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.touch(mode=0o600)  # it holds passwords
    fresh.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")
    fresh.replace(path)
