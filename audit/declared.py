"""What this version declares of guards: functions and triggers that migrations made, and those of `audit.tables`."""

import functools
import hashlib
import json

from audit import enforcement
from audit.guard import APPEND, ERASE
from audit.tables import TABLES

# The functions that migrations made -> SHA-256 of their bodies. Those of `audit.tables` are computed.
FUNCTIONS: dict[str, str] = {
    "audit_append": "01056ef5de4d974d95496e13b7f8f6df72b490dd531f8a23a6efdf9ca319df7d",
    "audit_blind": "8753773a36751e29e0fe8c04e380449b1f816b4fab5b2dc023b658c793938796",
    "audit_incarnation": "fea9597165f22bd911c6a760d21bcc858f3722d8e33127ec2ef64031fc6f655b",
    "audit_refuse": "acf64e79b35f59b78047b5b769d42813803c4872178c473b26d93374f235fbe2",
    "documents_closing_stays": "49c2b3e939ed46d61cb300d9d0b512736ef2ba8c2b4a40fd420944292b8e5fa6",
    "documents_document_frozen": "36e858c8c65f2ea98001cd37f3198d01eabb1a2bf9ae7b90f9331e0a26f0b2e9",
    "documents_document_filled": "e947385a90034f3bb20883129269986ecab58c733b56cdb875775e6e82a271c1",
    "documents_document_updated": "a2ac7f3431fd74858ed0e0eb0216fcfe75b19e2b832557adee50cdcde53cd102",
    "documents_documentkey_stays": "e8531d3a6e88c228c6d9da9634f2f2d8af58f4a206515889cd9ce148232da3cd",
    "documents_erase": "6fcad159866b0860ec441bb1cf911aa723d074e797a7d79d6f2299d161e01a9b",
    "documents_on_hold": "1271738a2189e9d0ea117e64be2fc152b9924ed4f080e9ab1af312ae7edac09c",
    "payouts_payout_filled": "ddfaf059c7cd670759d2122724dd4f6a5fc7b549bfea8abe98fc3ca2c2207627",
    "payouts_settlementrequest_stays": "c8624c829eb14f1ba81e436dc1db421990de81439ad3f9dd58020fc12ee5169d",
}
AS_OWNER = frozenset({APPEND.partition("(")[0], ERASE.partition("(")[0]})  # with the rights of who made them
WRITTEN_IN = frozenset({"audit_blind", "audit_incarnation"})  # into a statement, so that they have no path of their own
PATH = "search_path=pg_catalog, public, pg_temp"
# The triggers that migrations made: table -> trigger -> function.
TRIGGERS: dict[str, dict[str, str]] = {
    "audit_event": {"audit_event_rows_stay": "audit_refuse", "audit_event_stays": "audit_refuse"},
    "audit_eventdetail": {"audit_eventdetail_rows_stay": "audit_refuse", "audit_eventdetail_stays": "audit_refuse"},
    **{
        table: {f"{table}_rows_stay": "audit_refuse", f"{table}_stays": "audit_refuse"}
        for table in ("audit_treeplace", "audit_treetile", "audit_treehead")
    },
    "documents_document": {
        "documents_document_rows_frozen": "documents_document_frozen",
        "documents_document_stays": "documents_document_frozen",
        "documents_document_updated": "documents_document_updated",
        "documents_document_corrected": "documents_document_updated",
        "documents_document_filled": "documents_document_filled",
    },
    "documents_documentkey": {
        "documents_documentkey_rows_stay": "documents_documentkey_stays",
        "documents_documentkey_stays": "documents_documentkey_stays",
    },
    "documents_closing": {
        "documents_closing_rows_stay": "documents_closing_stays",
    },
    "payouts_payout": {"payouts_payout_filled": "payouts_payout_filled"},
    "payouts_settlementrequest": {
        "payouts_settlementrequest_rows_stay": "payouts_settlementrequest_stays",
    },
}
# Functions and triggers that write for the code of before what it does not know. A migration that runs after the code
# removes them; so they may be there, as declared, and need not.
PASSING = frozenset({"documents_document_filled", "payouts_payout_filled"})


def functions() -> dict[str, str]:
    """Return SHA-256 of the body of each function that guards, by its name."""
    declared = {
        enforcement.name_of(table=table, guard=guard): hashlib.sha256(
            enforcement.body_of(table=table, word=guard.word).encode()
        ).hexdigest()
        for table, row in TABLES.items()
        for guard in row.guards
    }
    return {**FUNCTIONS, **declared}


def triggers(*, table: str) -> dict[str, str]:
    """Return the function of each trigger that a table should have, by the trigger's name."""
    declared = {
        trigger: enforcement.name_of(table=table, guard=guard)
        for guard in TABLES[table].guards
        for trigger in enforcement.triggers_sql(table=table, guard=guard)
    }
    return {**TRIGGERS.get(table, {}), **declared}


@functools.cache
def declaration() -> str:
    """Return the digest of all that this version declares of guards and rights."""
    tables = {
        name: (triggers(table=name), row.inserts, row.deletes, row.updates) for name, row in sorted(TABLES.items())
    }
    return hashlib.sha256(json.dumps([functions(), tables], sort_keys=True).encode()).hexdigest()
