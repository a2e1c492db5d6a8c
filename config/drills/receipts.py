"""What the drills make: receipts of their own issuer, for a customer without an address, so that nobody is mailed."""

import io
import pathlib
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.core.management import call_command

from config.drills.registry import DrillContext, DrillFailed
from config.simulation import sender
from documents.access import actors
from documents.models import Document, Issuer, Status

ACTOR = actors.program(name="validate_operations", channel="command")
ISSUER_FILE = pathlib.Path(__file__).parent / "issuer.json"
CUSTOMER = "cus_drill"
ISSUER = "drill"  # the slug that marks what is a drill: its documents have series of their own
LOCKED_WITHIN_S, SENT_WITHIN_S, LOOK_EVERY_S = 60.0, 90.0, 0.2


def ready() -> None:
    """Add the issuer of the drills where it is not there yet."""
    if not Issuer.objects.filter(slug=ISSUER).exists():
        call_command("add_issuer", str(ISSUER_FILE), stdout=io.StringIO())


def receipt(
    *, context: DrillContext, amount: str, net: str, tax: str, event: str, customer: str = CUSTOMER
) -> dict[str, Any]:
    """Return a payment of the drills' issuer: a customer without an address, so that nobody is written to."""
    run_id, moment = context.run_id, context.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    line = {"id": "1", "kind": "FARE", "description": "Simulacro", "amount": net, "tax": "IVA10"}
    return {
        "id": f"evt_{event}_{run_id}",
        "type": "PAYMENT_CAPTURED",
        "occurred_at": moment,
        "country": "ES",
        "issuer": ISSUER,
        "data": {
            "currency": "EUR",
            "payment": {"id": f"pay_{run_id}", "method": "card", "captured_at": moment, "amount": amount},
            "order": {"id": f"ord_{run_id}", "service": "PASSENGER_RIDE"},
            "customer": {"id": customer, "legal_name": "Simulacro"},
            "lines": [line],
            "totals": {"net": net, "tax": tax, "gross": amount},
        },
    }


def post(*, context: DrillContext, event: dict[str, Any]) -> sender.PostedEvent:
    """Send an event of the drills' issuer to the running service."""
    return sender.post(base_url=context.base_url, event=event, secret=context.secrets["payments"])


def issued(*, context: DrillContext, customer: str = CUSTOMER) -> tuple[dict[str, Any], sender.PostedEvent, Document]:
    """Send the run's payment, once more where it was sent, and return it, the answer, and the document.

    :raises DrillFailed: it was not taken in, or did not become one document
    """
    event = receipt(context=context, amount="11.00", net="10.00", tax="1.00", event="first", customer=customer)
    answer = post(context=context, event=event)
    if answer.status not in {HTTPStatus.OK, HTTPStatus.CREATED}:
        raise DrillFailed(f"the event was answered {answer.status} {answer.body.get('code', '')}")
    rows = list(Document.objects.filter(subject=f"payment:pay_{context.run_id}").defer("content"))
    if len(rows) != 1:
        raise DrillFailed(f"{len(rows)} documents of one payment")
    return event, answer, rows[0]


def named(*, answer: sender.PostedEvent) -> list[tuple[object, object]]:
    """Return the documents that an answer names: id and number."""
    return [(document["id"], document["number"]) for document in answer.body.get("documents", [])]


def await_locked(*, document: Document) -> None:
    """Wait until the workers have locked a document.

    :raises DrillFailed: they have not, within LOCKED_WITHIN_S
    """

    def is_locked() -> bool:
        document.refresh_from_db(fields=["status", "file_sha256", "vault_version", "retain_until"])
        return document.status == Status.LOCKED

    if not within(seconds=LOCKED_WITHIN_S, holds=is_locked):
        raise DrillFailed(f"{document.number} is {document.status} after {LOCKED_WITHIN_S:.0f} s")


def within(*, seconds: float, holds: Callable[[], bool]) -> bool:
    """Return whether something comes to hold within some seconds."""
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(LOOK_EVERY_S)
    return True
