"""Record a database and its vault with every kind of document, for `test_baseline` to upgrade from then on.

It is no test of the suite: it is run by name, once a base line, on the oldest PostgreSQL that is promised, so that
every newer one can read the dump:

    POSTGRES_BIN=/usr/lib/postgresql/15/bin .venv/bin/python -m pytest tests/upgrades/record_baseline.py

What is there was recorded by the version before a discount lowered the base of what it reduces, and provisioned by the
last one before the migrations were squashed: its amounts were frozen by earlier rules, its tables were made one by one.

The folder holds `database.sql.gz` (schema and rows, without owners and grants, which `provision` makes) and the
objects of the vault under their keys.
"""

import datetime as dt
import gzip
import pathlib
import subprocess

import pytest

from audit import log
from config.embedded import machine, services
from documents.delivery import deliveries
from documents.emission import locking
from documents.models import Document, Event, Link
from payouts.review import corrections, dismissal
from tests import cast
from tests.payouts import making, telling

FOLDER = pathlib.Path(__file__).parent / "baseline"
NOW = telling.NOW
PSQL_ONLY = (b"\\restrict", b"\\unrestrict")  # commands that no server reads


def _tell_every_kind() -> None:
    for name in ("es_ride", "mx_week", "co_food", "co_refund"):
        telling.told(telling.sample(name))
    telling.told([making.order("ord_1"), making.adjustment("adj_1", "ord_1")])
    telling.told([making.order("ord_2", "-3.00"), making.period_closed("po_0", orders=["ord_2"], closing="-3.00")])
    telling.told([making.reversal("po_failed", "5.00", kind="PAYOUT_FAILED")])


def _leave_work() -> None:
    """Leave what people and timers still have to do: a held, a parked and a dismissed event, a difference."""
    finance = cast.staff(name="fina", roles=["finance"], countries=["ES", "MX", "CO"]).user
    actor = log.Actor(kind="user", id=f"usr_{finance.pk}", role="finance", channel="web")
    telling.told(
        [making.order("ord_3", driver="drv_3"), making.payout("po_held", "9.00", orders=["ord_3"], payee="drv_3")]
    )
    telling.told([making.payout("po_waits", "9.00", orders=["ord_late"], payee="drv_late")])
    telling.told([making.payout("po_away", "7.00", orders=["ord_2"], payee="drv_9")])
    away = Event.objects.get(event_id="evt_po_away")
    dismissal.dismiss(
        event=away,
        reason="El pago se anuló en el banco",
        document=None,
        user=finance,
        now=NOW + dt.timedelta(days=30),
        actor=actor,
    )
    receipt = Document.objects.filter(kind="PAYMENT_RECEIPT", country="ES").get()
    corrections.correct(
        document=receipt,
        correction_id="cor_" + "a" * 26,
        parts=None,
        reason="Cobro duplicado",
        user=finance,
        now=NOW,
        actor=actor,
    )
    different = telling.sample("es_ride")[0]
    telling.tell(different | {"id": "evt_other", "data": different["data"] | {"lines": different["data"]["lines"][:1]}})
    lines = [making.line("10.06", tax="IVA10"), making.line("-1.06", name="promo", kind="PROMOTION", tax="IVA10")]
    telling.told([making.payment("pay_less", "9.90", lines)])


def _lock_and_deliver() -> None:
    for document in Document.objects.order_by("pk"):
        locking.advance(document_id=document.pk, now=NOW)
    now = dt.datetime.now(tz=dt.UTC)
    for delivery in deliveries.due(now=now):
        deliveries.send(delivery_id=delivery.pk, now=now)


@pytest.mark.django_db(transaction=True, databases=["default", "denials", "owner"])
def test_a_base_line_is_recorded(vault_folder: pathlib.Path, stack: services.Stack) -> None:
    telling.issuers()
    _tell_every_kind()
    _leave_work()
    _lock_and_deliver()
    assert set(Document.objects.values_list("status", flat=True)) == {"LOCKED"}
    assert Link.objects.exists()
    dump = subprocess.run(
        [
            str(machine.postgres_program(name="pg_dump")),
            "--exclude-schema=tests",
            "--inserts",
            "--rows-per-insert=100",
            "--no-owner",
            "--no-privileges",
            stack.superuser_url,
        ],
        check=True,
        capture_output=True,
    ).stdout
    sql = b"\n".join(line for line in dump.splitlines() if not line.startswith(PSQL_ONLY))
    FOLDER.mkdir()
    (FOLDER / "database.sql.gz").write_bytes(gzip.compress(sql, mtime=0))
    for path in vault_folder.rglob("*"):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(vault_folder).parts):
            target = FOLDER / "vault" / path.relative_to(vault_folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
