"""Tell events as the platform's services do, straight to intake: what HTTP adds is tested at its own door."""

import datetime as dt
import json
import pathlib
from collections.abc import Iterable
from typing import Any

from django.db import transaction

from audit import log
from audit.actions import Action
from documents.events import answers, intake, waiting
from documents.models import Document, Issuer

SAMPLES = pathlib.Path(__file__).parent.parent / "samples"
NOW = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
SERVICES = ("payments", "refunds", "orders", "payouts", "parties")
ACTOR = log.Actor(kind="service", id="platform", channel="webhook")


def sample(name: str) -> list[dict[str, Any]]:
    """Return the events of a sample, new at every call."""
    return list(json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8")))


def issuers() -> None:
    """Add every issuer of the samples."""
    for row in json.loads((SAMPLES / "issuers.json").read_text(encoding="utf-8")):
        facts = {key: row[key] for key in ("code", "legal_name", "tax_id", "address")}
        with transaction.atomic():
            _, fresh = Issuer.objects.get_or_create(slug=row["slug"], defaults=facts | {"country_id": row["country"]})
            if fresh:
                log.record(action=Action.ISSUER_ADDED, object_type="issuer", object_id=row["slug"], actor=ACTOR)


def tell(event: dict[str, Any], *, now: dt.datetime = NOW) -> answers.Answer:
    """Send one event."""
    return intake.receive(raw=json.dumps(event).encode(), services=SERVICES, now=now, actor=ACTOR)


def told(events: Iterable[dict[str, Any]]) -> list[str]:
    """Send events in order, let what is parked resume, and return each one's status."""
    statuses = [str(tell(event).body.get("status")) for event in events]
    catch_up()
    return statuses


def catch_up() -> None:
    """Do what the worker does: look at parked events, woken or by their timer, until nothing moves."""
    parked: list[int] = []
    for _ in range(20):
        due = waiting.due(now=NOW + dt.timedelta(hours=1), limit=1000)
        if sorted(due) == parked and not waiting.due(now=NOW, limit=1):
            return
        parked = sorted(due)
        for event_id in due:
            intake.resume(event_id=event_id, now=NOW)
    raise AssertionError("events are being looked at for ever")


def document(key: str) -> Document:
    """Return a document by its permanent key."""
    return Document.objects.select_related("owner", "settled_by").get(document_key_id=key)
