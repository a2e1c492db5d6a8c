"""What the runtime role may do to each table of the database; data by table name, because this floor knows no other.

`audit.enforcement` makes the living database equal to TABLES: grants by column, and a deferred constraint trigger for
each guard. A table without a row here fails the start.

Everything that is not named is refused: no INSERT without a guard or a reason, no DELETE without a reason, no UPDATE of
a column that is neither *working* (it may change without an audit event) nor guarded.
"""

from audit import delivery_tables, hold_tables, key_tables, payout_tables, people_tables, sign_in_tables
from audit.actions import Action
from audit.guard import DETAIL_TABLE, EVENT_TABLE, Guard, TableRights, state_actions

_LOCKED, _WITHHELD = (Action.DOCUMENT_LOCKED, Action.DOCUMENT_RELEASED), (Action.DOCUMENT_QUARANTINED,)
_DESCRIBED = ("vault_key", "file_sha256", "file_bytes", "template", "engine", "bundle_digest", "pages", "flags")
_LEASE = ("attempts", "lease", "lease_until_at", "next_try_at")
# The moment of a batch, as a sealed leaf has moments: the rows of the batch bear it.
_VERIFIED_AT = """to_char(NEW.verified_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
_COUNTED = ("window_ends_at", "window_count", "counted_date", "day_count")
_SLUG = "(SELECT issuer.slug FROM documents_issuer AS issuer WHERE issuer.id = NEW.issuer_id)"
_BY_OWNER = TableRights()  # managed by `provision` and by people through the owner's connection


TABLES: dict[str, TableRights] = {
    # Appended to by the function `audit_append` alone.
    EVENT_TABLE: TableRights(),
    DETAIL_TABLE: TableRights(),
    **dict.fromkeys(
        ("audit_treeplace", "audit_treetile", "audit_treehead"),
        TableRights(insert="what the sealer makes of recorded events"),
    ),
    "audit_guardmark": TableRights(),
    "audit_provisioning": TableRights(),
    "auth_group": _BY_OWNER,
    "auth_group_permissions": _BY_OWNER,
    "auth_permission": _BY_OWNER,
    "auth_user_user_permissions": _BY_OWNER,
    "django_admin_log": _BY_OWNER,
    "django_content_type": _BY_OWNER,
    "django_migrations": _BY_OWNER,
    "django_session": TableRights(
        insert="a login, which is recorded itself",
        delete="a logout, and `clearsessions`",
        working=("session_data", "expire_date"),
    ),
    "guardian_groupobjectpermission": _BY_OWNER,
    "documents_country": _BY_OWNER,
    "documents_alert": TableRights(
        working=(*_LEASE, "count", "last_seen_at", "values", "channel"),
        guards=(
            Guard(word="born", born=True, actions=(Action.ALERT_OPENED,)),
            Guard(
                word="escalated",
                columns=("severity",),
                actions=(Action.ALERT_ESCALATED,),
                only="NEW.severity < OLD.severity",
            ),
            Guard(
                word="sent",
                columns=("sent_at", "resolution_sent_at"),
                actions=(Action.ALERT_SENT, Action.ALERT_ESCALATED),
            ),
            Guard(
                word="resolved",
                columns=("resolved_at",),
                actions=(Action.ALERT_RESOLVED,),
                only="OLD.resolved_at IS NULL",
            ),
            Guard(
                word="acknowledged",
                columns=("acknowledged_at", "acknowledged_by_id"),
                actions=(Action.ALERT_ACKNOWLEDGED,),
            ),
        ),
    ),
    "documents_circuit": TableRights(
        insert="how calls to the outside go; its outage is an alert, which is recorded",
        working=("state", "failures", "opened_at", "closed_at", "incident"),
    ),
    "documents_heartbeat": TableRights(
        insert="a process that is alive; its silence is an alert, which is recorded",
        delete="a process that ends in order",
        working=("seen_at",),
    ),
    "documents_closing": TableRights(
        guards=(
            Guard(
                born=True,
                columns=("state", "reopened_at"),
                about="NEW.event_id",
                states=state_actions("event.", "DISMISSED", "REOPENED"),
            ),
        ),
    ),
    "documents_custodyround": TableRights(
        insert="a look at what is kept; the documents that it reads, and what it finds, are recorded",
        working=(*_LEASE, "ended_at", "older", "verified", "findings", "missing", "overdue", "oldest_at", "unread"),
    ),
    "documents_logcommitment": TableRights(insert="what new documents name; it is opened by its file in the vault"),
    "documents_logfile": TableRights(insert="a file of the sealed log in the vault, which proves itself"),
    "documents_discrepancy": TableRights(
        guards=(
            Guard(word="born", born=True, actions=(Action.DISCREPANCY_OPENED,)),
            Guard(
                word="moved",
                columns=("facts", "resolved_at", "resolution"),
                actions=(Action.DISCREPANCY_CHANGED, Action.DISCREPANCY_RESOLVED),
                only="OLD.resolved_at IS NULL",
            ),
        ),
    ),
    "documents_document": TableRights(
        # what the vault was told of a matter, which is recorded itself; a trigger's note of a change that is
        working=(*_LEASE, "hold_told_at", "updated_at"),
        guards=(
            Guard(
                born=True,
                columns=("status",),
                states=state_actions("document.", "ISSUED", "LOCKED", "QUARANTINED", "DISPOSED") | {"LOCKED": _LOCKED},
            ),
            Guard(
                word="paid",
                columns=("payout_status", "settled_by_id"),
                actions=(Action.DOCUMENT_PAYOUT_STATUS_CHANGED,),
            ),
            Guard(word="refunded", columns=("refund_status",), actions=(Action.DOCUMENT_REFUND_STATUS_CHANGED,)),
            Guard(
                word="marked",
                columns=("locked_at", "quarantined_at"),
                actions=(*_LOCKED, *_WITHHELD),
            ),
            Guard(
                word="stored",
                columns=("vault_url", "vault_version", "vault_mode"),
                actions=(*_LOCKED, Action.DOCUMENT_MIGRATED),
            ),
            Guard(word="disposed", columns=("disposed_at",), actions=(Action.DOCUMENT_DISPOSED,)),
            # Reading many documents again is one event, about the moment that all of them bear.
            Guard(
                word="verified",
                columns=("verified_at",),
                batch=_VERIFIED_AT,
                actions=(*_LOCKED, Action.DOCUMENT_VERIFIED, Action.DOCUMENT_MIGRATED),
            ),
            Guard(
                word="rested",
                columns=("cause",),
                actions=(*_WITHHELD, *_LOCKED, Action.DOCUMENT_WORM_FAILED, Action.DOCUMENT_RENDER_FAILED),
            ),
            # Noted before the bytes are put, so that an object of the vault can be traced; until they are locked, each
            # try may note others. A trigger freezes most of it then.
            Guard(word="described", columns=_DESCRIBED, while_="OLD.locked_at IS NOT NULL", actions=_LOCKED),
        ),
    ),
    "documents_documentkey": TableRights(
        guards=(
            # A key is claimed by who issues; the document has its own event.
            Guard(
                word="claimed",
                born=True,
                about="NEW.key",
                instead="EXISTS (SELECT 1 FROM documents_document AS document WHERE document.document_key = NEW.key)",
            ),
        ),
    ),
    "documents_erasureperiod": _BY_OWNER,
    "documents_event": TableRights(
        # Neither the body nor what is left of it: `documents_erase` takes the one and writes the other.
        # What is missing of what a parked event waits for: the one that comes is an event of its own.
        working=("attempts", "next_try_at", "missing", "repeats"),
        guards=(
            Guard(word="born", born=True, actions=(Action.EVENT_RECEIVED, Action.EVENT_REFUSED)),
            Guard(
                word="moved",
                columns=("status", "code", "errors", "document_ids", "superseded_by_id"),
                actions=(
                    Action.EVENT_PROCESSED,
                    Action.EVENT_PARKED,
                    Action.EVENT_HELD,
                    Action.EVENT_SUPERSEDED,
                    Action.EVENT_IGNORED,
                ),
            ),
        ),
    ),
    "documents_issuer": TableRights(
        guards=(
            Guard(word="born", born=True, about="NEW.slug", actions=(Action.ISSUER_ADDED,)),
            Guard(
                word="changed",
                columns=("legal_name", "address", "logo"),
                about="NEW.slug",
                actions=(Action.ISSUER_CHANGED,),
            ),
            Guard(
                word="support", columns=("support_email",), about="NEW.slug", actions=(Action.ISSUER_SUPPORT_CHANGED,)
            ),
        ),
    ),
    "documents_formerissuer": TableRights(
        guards=(Guard(word="born", born=True, about=_SLUG, actions=(Action.ISSUER_CHANGED,)),)
    ),
    "documents_issuingvalve": TableRights(
        insert="the counters of an issuer, whose own coming is recorded",
        # What its past allows, what it has issued, and whose turn it is once a person has let it go on.
        working=(*_COUNTED, "minute_max", "day_max", "limits_at", "turn", "turned_at", "uncounted_until_event"),
        guards=(
            Guard(
                word="limited",
                columns=("minute_max_set", "day_max_set"),
                about=_SLUG,
                actions=(Action.ISSUER_LIMITED,),
            ),
            Guard(
                word="paused",
                columns=("paused_at", "paused_by", "resumed_at"),
                about=_SLUG,
                actions=(Action.ISSUER_PAUSED, Action.ISSUER_RESUMED),
            ),
        ),
    ),
    "documents_party": TableRights(
        guards=(
            Guard(word="born", born=True, actions=(Action.PARTY_ADDED,)),
            Guard(
                word="contact",
                columns=("email", "email_stated_at", "locale", "locale_stated_at", "contact_at", "locale_at"),
                actions=(Action.PARTY_CONTACT_CHANGED,),
            ),
            Guard(
                word="name",
                columns=("legal_name", "tax_id", "tax_id_type", "named_at"),
                actions=(Action.PARTY_RENAMED,),
            ),
        ),
    ),
    "documents_series": TableRights(
        guards=(
            Guard(word="born", born=True, about="NEW.code", actions=(Action.SERIES_ADDED,)),
            # One up for each document, which has its own event; further up by a person, and never down.
            Guard(
                word="moved",
                columns=("next",),
                about="NEW.code",
                actions=(Action.SERIES_MOVED,),
                instead="NEW.next = OLD.next + 1 AND EXISTS (SELECT 1 FROM documents_document AS document"
                " WHERE document.series_id = NEW.id AND document.sequence = OLD.next)",
                only="NEW.next > OLD.next",
            ),
        ),
    ),
    "documents_vaultprobe": TableRights(guards=(Guard(word="born", born=True, actions=(Action.VAULT_PROBED,)),)),
    "documents_wait": TableRights(
        insert="what a parked event waits for; the parking is recorded",
        delete="remade whenever an event is parked anew, gone once it is processed",
    ),
    **delivery_tables.ROWS,
    **hold_tables.ROWS,
    **key_tables.ROWS,
    **sign_in_tables.ROWS,
    **payout_tables.ROWS,
    **people_tables.ROWS,
}
