"""The closed vocabulary of the audit log.

Grammar: `object.verb`, both lower-case ASCII words (`_` inside), the verb in the past tense: the word of a step is its
state, its audit action, its timestamp, its metric and its log event. A word that is not here cannot be recorded;
adding one needs no migration. Each is recorded by some code (a test looks). Removing one would make old events
unreadable and is never done: a word that is given up stays, among RETIRED.
"""

import enum
import re

GRAMMAR = re.compile(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*")
LENGTH_MAX = 60


@enum.unique
class Action(enum.StrEnum):
    """Everything that can be said to have happened."""

    # A fact stated by another system. `denied` is the 401, 403 and 413 of the webhook door.
    EVENT_RECEIVED = "event.received"
    EVENT_PROCESSED = "event.processed"
    EVENT_PARKED = "event.parked"
    EVENT_RESUMED = "event.resumed"
    EVENT_HELD = "event.held"
    EVENT_RETRIED = "event.retried"
    EVENT_SUPERSEDED = "event.superseded"
    EVENT_DIFFERENCE_REQUESTED = "event.difference_requested"
    EVENT_DIFFERENCE_APPROVED = "event.difference_approved"
    EVENT_DIFFERENCE_WITHDRAWN = "event.difference_withdrawn"
    EVENT_DISMISSED = "event.dismissed"
    EVENT_REOPENED = "event.reopened"
    EVENT_IGNORED = "event.ignored"
    EVENT_REFUSED = "event.refused"
    EVENT_REPEATED = "event.repeated"
    EVENT_DENIED = "event.denied"
    EVENT_VIEWED = "event.viewed"
    EVENT_BODIES_ERASED = "event.bodies_erased"
    EVENT_LISTED = "event.listed"

    DOCUMENT_ISSUED = "document.issued"
    DOCUMENT_LOCKED = "document.locked"
    DOCUMENT_MIGRATED = "document.migrated"
    DOCUMENT_QUARANTINED = "document.quarantined"
    DOCUMENT_DISPOSED = "document.disposed"
    DOCUMENT_RELEASED = "document.released"
    DOCUMENT_REPEATED = "document.repeated"
    DOCUMENT_VIEWED = "document.viewed"
    DOCUMENT_REVEALED = "document.revealed"
    DOCUMENT_DOWNLOADED = "document.downloaded"
    DOCUMENT_PREVIEWED = "document.previewed"
    DOCUMENT_LISTED = "document.listed"
    DOCUMENT_VERIFIED = "document.verified"
    DOCUMENT_WORM_FAILED = "document.worm_failed"
    DOCUMENT_RENDER_FAILED = "document.render_failed"
    DOCUMENT_PAYOUT_STATUS_CHANGED = "document.payout_status_changed"
    DOCUMENT_REFUND_STATUS_CHANGED = "document.refund_status_changed"
    DOCUMENT_REFUND_REPLACED = "document.refund_replaced"
    DOCUMENT_RETRIED = "document.retried"
    DOCUMENT_EVIDENCE_TAKEN = "document.evidence_taken"
    DOCUMENT_CORRECTED = "document.corrected"

    DELIVERY_QUEUED = "delivery.queued"
    DELIVERY_SENT = "delivery.sent"
    DELIVERY_FAILED = "delivery.failed"
    DELIVERY_BOUNCED = "delivery.bounced"
    DELIVERY_OPENED = "delivery.opened"
    DELIVERY_DOWNLOADED = "delivery.downloaded"
    DELIVERY_RESENT = "delivery.resent"
    DELIVERY_NOT_WANTED = "delivery.not_wanted"

    LINK_CREATED = "link.created"
    LINK_SEEN = "link.seen"
    LINK_OPENED = "link.opened"
    LINK_FAILED = "link.failed"
    LINK_LOCKED = "link.locked"
    LINK_REVOKED = "link.revoked"

    REQUEST_REPEATED = "request.repeated"
    ACCESS_DENIED = "access.denied"
    ACCESS_GRANTED = "access.granted"
    ACCESS_WITHDRAWN = "access.withdrawn"
    PERSON_ADDED = "person.added"
    PERSON_VIEWED = "person.viewed"
    PERSON_INVITED = "person.invited"
    PERSON_LIMITED = "person.limited"
    PERSON_SUSPENDED = "person.suspended"
    PERSON_RESUMED = "person.resumed"
    FACTOR_ADDED = "factor.added"
    FACTOR_USED = "factor.used"
    FACTOR_RENAMED = "factor.renamed"
    FACTOR_REMOVED = "factor.removed"
    SESSION_CONFIRMED = "session.confirmed"
    SESSION_LOGIN = "session.login"
    SESSION_LOGOUT = "session.logout"
    SESSION_FAILED = "session.failed"
    CREDENTIAL_CHANGED = "credential.changed"
    # The keys that sign the log itself.
    LOG_KEY_ADDED = "log_key.added"
    LOG_KEY_RETIRED = "log_key.retired"
    LOG_VERIFIED = "log.verified"
    KEY_VIEWED = "key.viewed"
    KEY_CREATED = "key.created"
    KEY_ROTATED = "key.rotated"
    KEY_REVOKED = "key.revoked"

    DISCREPANCY_OPENED = "discrepancy.opened"
    DISCREPANCY_CHANGED = "discrepancy.changed"
    DISCREPANCY_LISTED = "discrepancy.listed"
    DISCREPANCY_RESOLVED = "discrepancy.resolved"
    ALERT_OPENED = "alert.opened"
    ALERT_SENT = "alert.sent"
    ALERT_ESCALATED = "alert.escalated"
    ALERT_ACKNOWLEDGED = "alert.acknowledged"
    ALERT_RESOLVED = "alert.resolved"

    HOLD_LISTED = "hold.listed"
    HOLD_SET = "hold.set"
    HOLD_RELEASE_REQUESTED = "hold.release_requested"
    HOLD_RELEASE_WITHDRAWN = "hold.release_withdrawn"
    HOLD_RELEASED = "hold.released"
    HOLD_ENDED = "hold.ended"

    PARTY_ADDED = "party.added"
    PARTY_RENAMED = "party.renamed"
    PARTY_CONTACT_CHANGED = "party.contact_changed"
    PARTY_VIEWED = "party.viewed"
    ISSUER_ADDED = "issuer.added"
    ISSUER_CHANGED = "issuer.changed"
    ISSUER_SUPPORT_CHANGED = "issuer.support_changed"
    ISSUER_LIMITED = "issuer.limited"
    ISSUER_PAUSED = "issuer.paused"
    ISSUER_RESUMED = "issuer.resumed"
    SERIES_ADDED = "series.added"
    SERIES_MOVED = "series.moved"
    VAULT_PROBED = "vault.probed"
    BACKUP_TAKEN = "backup.taken"
    BACKUP_RESTORED = "backup.restored"
    VERIFICATION_VIEWED = "verification.viewed"

    REPORT_OPENED = "report.opened"
    REPORT_ANSWERED = "report.answered"
    REPORT_VIEWED = "report.viewed"

    PAYOUT_SETTLED = "payout.settled"
    PAYOUT_RETURNED = "payout.returned"
    PAYOUT_FAILED = "payout.failed"
    PAYOUT_CANCELED = "payout.canceled"
    PAYOUT_LISTED = "payout.listed"
    PAYOUT_VIEWED = "payout.viewed"

    OPERATIONS_VALIDATED = "operations.validated"

    AUDIT_VIEWED = "audit.viewed"
    AUDIT_DETAILS_ERASED = "audit.details_erased"

    # Words of earlier versions: see RETIRED.
    EVENT_SETTLED = "event.settled"
    EVENT_CLOSED = "event.closed"
    EVENT_SETTLEMENT_REQUESTED = "event.settlement_requested"
    EVENT_SETTLEMENT_APPROVED = "event.settlement_approved"
    EVENT_SETTLEMENT_WITHDRAWN = "event.settlement_withdrawn"


# Recorded by nothing any more; events of earlier versions bear them and are read, and proved, by them.
RETIRED = frozenset(
    {
        Action.EVENT_SETTLED,
        Action.EVENT_CLOSED,
        Action.EVENT_SETTLEMENT_REQUESTED,
        Action.EVENT_SETTLEMENT_APPROVED,
        Action.EVENT_SETTLEMENT_WITHDRAWN,
    }
)

if any(not GRAMMAR.fullmatch(action) or len(action) > LENGTH_MAX for action in Action):
    raise ValueError("an audit action is not `object.verb`")
