"""Every column of every table, from the catalogue: what the role that serves may do to it without an audit event."""

import datetime as dt
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import Group, User
from psycopg import errors
from psycopg.types.json import Jsonb

from audit import tables
from config.embedded import services
from documents.models import (
    ApiKey,
    Dismissal,
    Document,
    FormerIssuer,
    Grant,
    Invitation,
    IssuingValve,
    Kind,
    Notice,
    PanelSession,
    SignInCode,
)
from payouts.models import DifferenceApproval, Reassignment, RefundReplacement
from tests import cast, factories
from tests.documents import center
from tests.services import force

# An SQL expression of each type that differs from what a row has.
OTHER = {
    "boolean": "NOT {column}",
    "timestamp with time zone": "coalesce({column}, now()) + interval '1 year'",
    "jsonb": """'{{"other": "1"}}'::jsonb""",
    "ARRAY": "'{{7}}'",
    "uuid": "gen_random_uuid()",
    "bytea": "'x'::bytea",
    "date": "coalesce({column}, now()::date) + 1",
}
LATE = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)
TEXT, NUMBER = "left('Z' || coalesce({column}, ''), 2)", "coalesce({column}, 0) + 1"
# Where a plain constraint or a foreign key would refuse another value before any guard is asked.
CLOSING = "state = 'REOPENED', reopened_at = now()"
ANSWERED = "answer = 'x', answered_at = now(), answered_by_id = (SELECT min(id) FROM auth_user)"
APPROVED = "state = 'APPROVED', approved_at = now(), approved_by_id = (SELECT max(id) FROM auth_user)"
ASKED = "state = 'RELEASE_REQUESTED', requested_by_id = (SELECT min(id) FROM auth_user)"
ENDED = f"{ASKED.replace('RELEASE_REQUESTED', 'RELEASED')}, released_by_id = (SELECT max(id) FROM auth_user)"
SETS = {
    ("documents_legalhold", "state"): ASKED,
    ("documents_legalhold", "requested_by_id"): ASKED,
    ("documents_legalhold", "released_by_id"): ENDED,
    ("documents_document", "settled_by_id"): "settled_by_id = id",
    ("documents_document", "status"): "status = 'QUARANTINED'",
    ("documents_document", "payout_status"): "payout_status = CASE kind WHEN 'ORDER_FINAL_STATEMENT' THEN 'SENT' END",
    ("documents_document", "refund_status"): "refund_status = CASE kind WHEN 'CREDIT_NOTE' THEN 'FAILED' ELSE '' END",
    ("documents_event", "superseded_by_id"): "superseded_by_id = id",
    ("documents_alert", "acknowledged_by_id"): "acknowledged_by_id = (SELECT min(id) FROM auth_user)",
    ("documents_issuingvalve", "paused_at"): "paused_at = now(), turn = 0",
    ("documents_closing", "state"): CLOSING,
    ("documents_closing", "reopened_at"): CLOSING,
    ("documents_notice", "status"): "status = 'SENT', address = ''",
    ("documents_notice", "address"): "address = 'b@example.com'",
    ("documents_signincode", "status"): "status = 'SENT', address = ''",
    ("documents_signincode", "address"): "address = 'b@example.com'",
    ("payouts_settlement", "document_id"): "document_id = (SELECT max(id) FROM documents_document)",
    ("payouts_tripreport", "answer"): ANSWERED,
    ("payouts_tripreport", "answered_at"): ANSWERED,
    ("payouts_tripreport", "answered_by_id"): ANSWERED,
    ("payouts_settlementrequest", "state"): APPROVED,
    ("payouts_settlementrequest", "approved_at"): APPROVED,
    ("payouts_settlementrequest", "approved_by_id"): APPROVED,
}


# Statements that the role could once commit without an event, and others of their classes.
HARMFUL = (
    "UPDATE documents_party SET email = 'x@example.com'",
    "UPDATE documents_party SET tax_id = '11111111H'",
    "UPDATE documents_series SET next = 1",
    "UPDATE documents_series SET next = next + 5",
    "UPDATE documents_series SET next = next + 1",
    "UPDATE documents_series SET code = code || 'Z'",
    "UPDATE documents_series SET last = 7",
    "UPDATE documents_link SET expires_at = expires_at + interval '1 year'",
    "UPDATE documents_link SET revoked_at = now()",
    "UPDATE documents_link SET downloads = 0, counted = '{\"a\": 1}'",
    "DELETE FROM documents_link WHERE true",
    "DELETE FROM documents_delivery WHERE true",
    "UPDATE documents_delivery SET status = 'NOT_WANTED', next_try_at = NULL",
    "UPDATE documents_issuer SET legal_name = 'X'",
    "UPDATE documents_issuingvalve SET paused_at = now(), turn = 0",
    "UPDATE documents_issuingvalve SET minute_max_set = 1000000",
    "UPDATE documents_document SET payout_status = 'SENT' WHERE payout_status = 'PENDING'",
    "UPDATE documents_document SET verified_at = now()",
    "UPDATE documents_document SET file_sha256 = repeat('0', 64), cause = 'x'",
    "UPDATE documents_event SET body = '\\x00'",
    "UPDATE documents_event SET payload_sha256 = repeat('0', 64)",
    "UPDATE documents_event SET status = 'ignored'",
    "UPDATE documents_event SET errors = '[1]'",
    "DELETE FROM documents_event WHERE true",
    "UPDATE payouts_payout SET amount_minor = amount_minor + 1",
    "DELETE FROM payouts_settlement WHERE true",
    "UPDATE documents_alert SET resolved_at = now()",
    "UPDATE documents_alert SET sent_at = now()",
    "UPDATE documents_alert SET severity = 'P1'",
    "UPDATE auth_user SET is_superuser = true",
    "UPDATE auth_user SET password = 'x'",
    "INSERT INTO auth_user_groups (user_id, group_id) SELECT u.id, g.id FROM auth_user u, auth_group g"
    " ON CONFLICT DO NOTHING",
    "INSERT INTO guardian_userobjectpermission (object_pk, content_type_id, permission_id, user_id)"
    " SELECT '1', p.content_type_id, p.id, u.id FROM auth_permission p, auth_user u WHERE p.codename = 'own_party'"
    " ON CONFLICT DO NOTHING",
)
NONE = "0" * 64  # of no address, token or form
MOMENT = "2026-11-21T04:00:00.000000Z"
SERIES = "(SELECT code FROM documents_series)"
LINK = "(SELECT public_id FROM documents_link)"
DOCUMENT = "(SELECT public_id FROM documents_document)"
USER = "(SELECT 'usr_' || id FROM auth_user WHERE username = 'sofia')"
SOFIA = "UPDATE auth_user SET password = 'x' WHERE username = 'sofia'"
VERIFIED = f"UPDATE documents_document SET verified_at = '{MOMENT}'"
REVOKED = "UPDATE documents_link SET revoked_at = now()"
# TABLE: a statement -> what is recorded in its transaction, about what -> what comes of it.
EXPLAINED = (
    ("UPDATE documents_series SET next = next + 5", "series.moved", SERIES, "commits"),
    ("UPDATE documents_series SET next = next + 5", "series.added", SERIES, "guarded"),
    ("UPDATE documents_series SET next = next + 5", "series.moved", "'AES-XXX-2026'", "guarded"),
    ("UPDATE documents_series SET next = next - 1", "series.moved", SERIES, "guarded"),
    ("UPDATE documents_series SET code = 'ZZZ'", "series.moved", SERIES, "refused"),
    (REVOKED, "link.revoked", LINK, "commits"),
    (REVOKED, "link.revoked", DOCUMENT, "guarded"),
    (REVOKED, "link.seen", LINK, "guarded"),
    (f"{REVOKED}; UPDATE documents_link SET revoked_at = NULL", "link.revoked", LINK, "guarded"),
    (VERIFIED, "document.verified", DOCUMENT, "commits"),
    (VERIFIED, "document.verified", f"'{MOMENT}'", "commits"),
    (VERIFIED, "document.verified", "'2026-11-21T04:00:00.000001Z'", "guarded"),
    (VERIFIED, "document.viewed", DOCUMENT, "guarded"),
    (SOFIA, "session.login", USER, "commits"),
    (SOFIA, "credential.changed", USER, "commits"),
    (SOFIA, "credential.changed", "'usr_0'", "guarded"),
)


@pytest.fixture
def document(committed_db: None) -> Document:
    """One row of each table that a guard watches, committed: no event of a later transaction is theirs."""
    document, person = factories.document(), cast.staff(name="sofia", roles=["finance"], countries=["ES"])
    cast.staff(name="ivan", roles=["auditor"], countries=[])
    center.one_of_each(document=document)
    with force.by_force():
        facts = {"event": document.event, "reason": "por probar"}
        Dismissal.objects.create(code="totals_mismatch", dismissed_by=person.user, **facts)
        DifferenceApproval.objects.create(difference_minor=1, currency="EUR", requested_by=person.user, **facts)
        RefundReplacement.objects.create(refund="rf_2", replaces="rf_1", note=document, event=document.event)
        Reassignment.objects.create(
            reassignment_id="ra_1",
            order_id="ord_1",
            made_at=factories.NOW,
            former=document.owner,
            owner=document.owner,
            event=document.event,
        )
        IssuingValve.objects.create(issuer=document.issuer)
        FormerIssuer.objects.create(issuer=document.issuer, until_at=LATE, legal_name="A", address="B")
        ApiKey.objects.create(user=person.user, name="a", scopes=["read"], expires_at=LATE)
        Grant.objects.create(user=person.user, party=document.owner, expires_at=LATE)
        Invitation.objects.create(user=person.user, token_sha256="0" * 64, message_id="<i@x>", expires_at=LATE)
        Notice.objects.create(
            event=document.event, party=document.owner, address="a@example.com", locale="es", message_id="<n@x>"
        )
        PanelSession.objects.create(
            code=_code(document=document, name="c"),
            party=document.owner,
            address_digest=NONE,
            token_sha256=NONE,
            form_sha256=NONE,
            expires_at=LATE,
        )
    return document


def _code(*, document: Document, name: str) -> SignInCode:
    """Make a code for a document's owner."""
    return SignInCode.objects.create(
        party=document.owner, address="a@example.com", address_digest=NONE, locale="es", message_id=f"<{name}@x>"
    )


@pytest.fixture
def runtime(document: Document, stack: services.Stack) -> Iterator[psycopg.Connection]:
    with psycopg.connect(stack.database_url) as runtime:
        yield runtime


def columns_of(*, runtime: psycopg.Connection) -> list[tuple[str, str, str]]:
    rows = runtime.execute(
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'"
        " ORDER BY table_name, ordinal_position"
    ).fetchall()
    return [(str(table), str(column), str(kind)) for table, column, kind in rows]


def outcome(*, runtime: psycopg.Connection, statement: str, values: Any = None) -> str:
    """Return what came of a statement that no event goes with: `refused`, `guarded` or `commits`."""
    try:
        runtime.execute(statement.encode(), values)
        runtime.execute("SET CONSTRAINTS ALL IMMEDIATE")  # as COMMIT does
    except (errors.InsufficientPrivilege, errors.GeneratedAlways):
        return "refused"
    except errors.IntegrityError as error:
        # A state's own guard and the triggers that freeze say so in their words; a plain constraint would prove nothing.
        if error.sqlstate == "23000":
            return "guarded"
        raise
    finally:
        runtime.rollback()
    return "commits"


def test_no_statement_that_once_committed_without_an_event_does_so(runtime: psycopg.Connection) -> None:
    came = {statement: outcome(runtime=runtime, statement=statement) for statement in HARMFUL}
    assert [statement for statement in HARMFUL if came[statement] == "commits"] == []


def test_only_an_event_about_the_row_and_of_the_fitting_word_lets_it_change(runtime: psycopg.Connection) -> None:
    for statement, action, about, expected in EXPLAINED:
        event = Jsonb({"action": action, "object_type": "x", "actor_kind": "system", "outcome": "ok", "count": 1})
        runtime.execute(
            f"SELECT audit_append(%s || jsonb_build_object('object_id', {about}, 'code', '', 'actor_id', '', 'role', '',"
            " 'key', '', 'service', '', 'channel', '', 'request_id', ''), '')".encode(),
            [event],
        )
        assert outcome(runtime=runtime, statement=statement) == expected, (statement, action, about)


def test_no_column_of_any_table_changes_without_an_event_unless_it_is_named(runtime: psycopg.Connection) -> None:
    factories.document(kind=Kind.CREDIT_NOTE)  # some columns are of this kind only; and a settlement's document changes
    catalogue = columns_of(runtime=runtime)
    assert {table for table, _, _ in catalogue} == set(tables.TABLES)
    for table, column, kind in catalogue:
        row = tables.TABLES[table]
        value = OTHER.get(kind, TEXT if kind in {"character varying", "text"} else NUMBER).format(column=f'"{column}"')
        change = SETS.get((table, column), f'"{column}" = {value}')
        if column in row.working:
            continue
        came = outcome(runtime=runtime, statement=f"UPDATE {table} SET {change}")
        if column not in row.updates:
            assert came == "refused", (table, column)
        else:
            assert came == "guarded", (table, column)


def test_no_row_of_any_table_goes_unless_a_reason_is_named(runtime: psycopg.Connection) -> None:
    for table, row in tables.TABLES.items():
        for statement in (f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
            expected = "refused"
            if row.deletes and statement.startswith("DELETE"):
                expected = "commits" if row.delete else "guarded"
            assert outcome(runtime=runtime, statement=statement) == expected, statement


def changed(*, other: Document, fresh: str) -> dict[str, dict[str, object]]:
    """Return by table what a second row must have of its own, beside a copy of the first."""
    ivan = User.objects.get(username="ivan").pk
    return {
        "documents_alert": {"public_id": fresh, "dedup_key": fresh},
        "documents_apikey": {"public_id": fresh},
        "documents_closing": {"event_id": other.event.public_id},
        "auth_user": {"username": fresh},
        "auth_user_groups": {"group_id": Group.objects.get(name="driver").pk},
        "documents_grant": {"public_id": fresh, "party_id": factories.party(platform_id=f"{fresh}_lent").pk},
        "documents_invitation": {"public_id": fresh, "message_id": fresh, "token_sha256": fresh, "user_id": ivan},
        "documents_person": {"public_id": fresh, "user_id": ivan},
        "mfa_authenticator": {"type": fresh},
        "guardian_userobjectpermission": {"object_pk": fresh},
        "documents_delivery": {"public_id": fresh, "message_id": fresh, "sequence": 9},
        "documents_discrepancy": {"public_id": fresh, "dedup_key": fresh},
        "documents_document": {"sequence": 99, "number": fresh, "public_id": fresh, "verification_code": fresh},
        "documents_documentkey": {"key": fresh},
        "documents_event": {"public_id": fresh, "event_id": fresh},
        "documents_holdscope": {"document_id": other.pk},
        "documents_panelsession": {"public_id": fresh, "token_sha256": fresh},
        "documents_signincode": {"public_id": fresh, "message_id": fresh},
        "documents_formerissuer": {"legal_name": fresh},
        "documents_issuer": {"slug": fresh, "code": "ZZ"},
        "documents_legalhold": {"public_id": fresh, "reference": fresh},
        "documents_link": {"public_id": fresh, "token_sha256": fresh},
        "documents_notice": {"public_id": fresh, "message_id": fresh, "event_id": other.event_id},
        "documents_party": {"public_id": fresh, "platform_id": fresh},
        "documents_series": {"code": fresh, "year": 2031},
        "documents_vaultprobe": {"public_id": fresh},
        "payouts_payout": {"payout_id": fresh},
        "payouts_refundreplacement": {"refund": fresh},
        "payouts_reassignment": {"reassignment_id": fresh, "event_id": other.event_id},
        "payouts_settlement": {"document_id": other.pk},
        "payouts_settlementrequest": {"public_id": fresh, "event_id": other.event.public_id},
        "payouts_tripreport": {"public_id": fresh, "form_sha256": fresh},
    }


def test_no_row_of_any_table_comes_without_an_event_unless_a_reason_is_named(
    runtime: psycopg.Connection, document: Document
) -> None:
    other = factories.document()
    fresh = uuid.uuid4().hex[:20]
    changes = changed(other=other, fresh=fresh)
    with force.by_force():
        other_key = factories.DocumentKey.objects.create(key=fresh + "k", fingerprint="0")
        other_code = _code(document=document, name=fresh)
    changes["documents_document"]["document_key"] = other_key.key
    changes["documents_panelsession"]["code_id"] = other_code.pk
    for table, row in ((table, row) for table, row in tables.TABLES.items() if not row.insert):
        listed = ", ".join(f'"{c}"' for t, c, _ in columns_of(runtime=runtime) if t == table and c != "id")
        copied = (
            f"INSERT INTO {table} ({listed}) SELECT {listed} FROM jsonb_populate_record(NULL::{table},"
            f" (SELECT to_jsonb(one) FROM {table} AS one LIMIT 1) || %s::jsonb)"
        )
        values = [Jsonb(changes[table] if row.inserts else {})]
        expected = "guarded" if row.inserts else "refused"
        assert outcome(runtime=runtime, statement=copied, values=values) == expected, table
