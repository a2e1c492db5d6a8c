"""A database of the base line, with every kind of document, is upgraded and goes on as if it had always been here."""

import datetime as dt
import gzip
import hashlib
import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connections, transaction
from django.test import Client, override_settings
from pytest_django import DjangoDbBlocker, Settings

from audit.models import Event as LogEvent
from config.embedded import services
from documents.delivery import links
from documents.emission import custody, locking
from documents.models import Document, Event, EventStatus, Kind, Link, Series, Status
from documents.operations import numbers
from documents.vault import immutable, places, store
from payouts.review import corrections
from tests import cast
from tests.payouts import making, telling
from tests.services import database, force
from tests.upgrades.record_baseline import FOLDER

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "denials", "owner"])
UPGRADED = "upgraded"

SCHEMA = {
    "columns": """
        SELECT concat_ws(' ', table_name, column_name, data_type, character_maximum_length, is_nullable, column_default,
                         collation_name, identity_generation, generation_expression)
        FROM information_schema.columns WHERE table_schema = 'public'""",
    "constraints": """
        SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace""",
    "indexes": "SELECT regexp_replace(indexdef, 'INDEX \\S+', '') FROM pg_indexes WHERE schemaname = 'public'",
    "functions": """
        SELECT pg_get_functiondef(oid) || coalesce(proacl::text, '') FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace""",
    "triggers": """
        SELECT pg_get_triggerdef(pg_trigger.oid) || tgenabled::text FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
        WHERE NOT tgisinternal AND relnamespace = 'public'::regnamespace""",
}


@pytest.fixture(scope="module")
def upgraded_once(
    stack: services.Stack,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """Upgrade the base line's database, keep it for the tests of this module, and return its VAULT_URL."""
    folder = tmp_path_factory.mktemp("upgraded") / "vault"
    with django_db_blocker.unblock(), override_settings(VAULT_URL=f"file://{folder}"):
        _upgrade(stack=stack)
        database.keep(stack=stack, name=UPGRADED)
        database.restore(stack=stack)
    yield f"file://{folder}"
    immutable.unlock_for_removal(folder=folder)


@pytest.fixture
def upgraded(upgraded_once: str, stack: services.Stack, settings: Settings) -> None:
    settings.VAULT_URL = upgraded_once
    database.exchange(stack=stack, of=UPGRADED)


def _upgrade(*, stack: services.Stack) -> None:
    """Load the base line's database, bring it to this version, and put its objects back into a vault."""
    database.load(stack=stack, dump=gzip.decompress((FOLDER / "database.sql.gz").read_bytes()))
    force.prepare(stack=stack)
    call_command("provision", verbosity=0)
    vault = store.open_vault()
    for document in Document.objects.all():
        body = (FOLDER / "vault" / document.vault_key).read_bytes()
        until = custody.lock_end(document=document)
        vault.put(key=document.vault_key, body=body, content_type=store.PDF, retain_until=until)


def test_every_document_has_its_content_its_bytes_and_its_number(upgraded: None) -> None:
    documents = list(Document.objects.order_by("pk"))
    assert {Kind(document.kind) for document in documents} == {*Kind}
    auditor = Client()
    auditor.force_login(cast.staff(name="inés", roles=["auditor"], countries=[*cast.COUNTRIES]).user)
    for document in documents:
        assert (document.status, document.vault_url) == (Status.LOCKED, places.here())
        assert hashlib.sha256(document.content.encode()).hexdigest() == document.content_sha256
        assert json.loads(document.content)["number"] == document.number
        answer = auditor.get(f"/api/v1/documents/{document.public_id}/content/")
        assert hashlib.sha256(answer.getvalue()).hexdigest() == document.file_sha256
        assert document.number in Client().get(f"/v/{document.verification_code}").content.decode()
    assert numbers.look() == []


def test_its_events_are_repeats_and_the_next_document_takes_the_next_number(upgraded: None) -> None:
    before = {row.code: row.next for row in Series.objects.all()}
    for name in ("es_ride", "mx_week", "co_food", "co_refund"):
        for event in telling.sample(name):
            answer = telling.tell(event)
            assert (answer.status, answer.body["replayed"]) == (HTTPStatus.OK, True)
    assert {row.code: row.next for row in Series.objects.all()} == before
    assert telling.tell(making.order("ord_new")).status == HTTPStatus.CREATED
    made = telling.document("ORDER_FINAL_STATEMENT:order:ord_new:beneficiary")
    assert made.sequence == before[made.series.code]
    locking.advance(document_id=made.pk, now=dt.datetime.now(tz=dt.UTC))
    made.refresh_from_db()
    assert made.status == Status.LOCKED


def test_what_waited_goes_on(upgraded: None) -> None:
    telling.told([making.order("ord_late", "9.00", driver="drv_late")])
    assert Event.objects.get(event_id="evt_po_waits").status == EventStatus.PROCESSED
    held = Event.objects.get(event_id="evt_po_held")
    assert (
        telling.tell(making.payout("po_held", "10.00", orders=["ord_3"], payee="drv_3") | {"id": "evt_mended"}).status
        == 201
    )
    held.refresh_from_db()
    assert held.superseded_by == Event.objects.get(event_id="evt_mended")
    assert telling.tell(_second_refund()).status == HTTPStatus.CREATED
    assert telling.document("CREDIT_NOTE:refund:rf_new:customer").total_minor == 108_000


def _second_refund() -> dict[str, Any]:
    """Return a refund of another 1,000.00 COP of the receipt that the base line has credited in part."""
    event = telling.sample("co_refund")[1]
    line = event["data"]["lines"][0] | {"amount": "1000.00"}
    refund = event["data"]["refund"] | {"id": "rf_new"}
    totals = {"net": "1000.00", "tax": "80.00", "gross": "1080.00"}
    return event | {"id": "evt_rf_new", "data": event["data"] | {"refund": refund, "lines": [line], "totals": totals}}


def test_a_receipt_whose_tax_rows_were_frozen_apart_is_credited_as_one(upgraded: None) -> None:
    receipt = telling.document("PAYMENT_RECEIPT:payment:pay_less:customer")
    rows = [(row["code"], row["base"], row["tax"]) for row in json.loads(receipt.content)["tax_groups"]]
    assert rows == [("IVA10", "10.06", "1.01"), ("IVA10", "-1.06", "-0.11")]
    assert _remaining(receipt) == [(900, 990)]
    asked = making.line("9.01", kind="REFUND_ITEM", tax="IVA10")
    assert telling.tell(making.refund("rf_more", "pay_less", [asked])).body["code"] == "credit_exceeds_remaining"
    telling.told([making.refund("rf_1", "pay_less", [asked | {"amount": "4.00"}])])
    assert _remaining(receipt) == [(500, 550)]
    telling.told([making.refund("rf_2", "pay_less", [asked | {"amount": "5.00"}])])
    assert telling.document("CREDIT_NOTE:refund:rf_2:customer").total_minor == 550
    assert _remaining(receipt) == []


def _remaining(document: Document) -> list[tuple[int, int]]:
    """Return what may still be credited of each tax group, in its prices and with its tax."""
    groups = corrections.remaining_creditable(document=document)
    return [(group.amount_minor, group.gross_minor) for group in groups]


def test_its_tables_are_those_of_a_new_database(stack: services.Stack, vault_folder: object) -> None:
    fresh = _schema()
    _upgrade(stack=stack)
    assert _schema() == fresh


def _schema() -> dict[str, list[str]]:
    """Return what the tables are made of, whatever a constraint or an index is called."""
    with connections["owner"].cursor() as cursor:  # the runtime role is not shown every default
        found = {}
        for name, query in SCHEMA.items():
            cursor.execute(query)
            found[name] = sorted(row[0] for row in cursor.fetchall())
    assert all(found.values())
    return found


def test_its_links_open_and_its_pages_show_every_row(upgraded: None) -> None:
    link = Link.objects.order_by("pk").first()
    assert link is not None
    assert Client().get(f"/l/{links.token(link=link)}/").status_code == HTTPStatus.OK
    staff = Client()
    staff.force_login(cast.staff(name="inés", roles=["auditor"], countries=[*cast.COUNTRIES]).user)
    for page in ("document", "event", "alert", "discrepancy", "delivery", "link", "party"):
        assert staff.get(f"/admin/documents/{page}/").status_code == HTTPStatus.OK, page


def test_the_log_goes_on_and_still_guards(upgraded: None) -> None:
    document = Document.objects.order_by("pk").first()
    assert document is not None
    assert LogEvent.objects.filter(object_id=document.public_id, action="document.locked").exists()
    with pytest.raises(IntegrityError, match="audit guard"), transaction.atomic():
        Document.objects.filter(pk=document.pk).update(status=Status.QUARANTINED)


def test_a_database_in_the_middle_of_what_the_base_line_squashed_is_refused_in_a_sentence(
    upgraded: None, stack: services.Stack
) -> None:
    with psycopg.connect(stack.database_owner_url, autocommit=True) as owner:
        owner.execute(
            "DELETE FROM django_migrations WHERE (app, name) IN (('audit', '0001_baseline'), ('audit', '0005_leaf_v2'))"
        )
    with pytest.raises(CommandError, match="older than the base line"):
        call_command("provision", verbosity=0)
