"""The rows of `tables.TABLES` about payouts, what they settle, and the approvals of those that do not close."""

from audit.actions import Action
from audit.guard import Guard, TableRights, state_actions

_ENDED = (Action.PAYOUT_FAILED, Action.PAYOUT_RETURNED, Action.PAYOUT_CANCELED)

ROWS: dict[str, TableRights] = {
    "payouts_payout": TableRights(
        guards=(
            Guard(word="born", born=True, about="'payout_' || NEW.id", actions=(Action.PAYOUT_SETTLED,)),
            Guard(
                word="moved",
                columns=("state", "returned_at"),
                about="'payout_' || NEW.id",
                actions=_ENDED,
            ),
        ),
    ),
    "payouts_reassignment": TableRights(
        guards=(
            Guard(
                word="born",
                born=True,
                about="(SELECT event.public_id FROM documents_event AS event WHERE event.id = NEW.event_id)",
                actions=(Action.EVENT_PROCESSED,),
            ),
        ),
    ),
    "payouts_refundreplacement": TableRights(
        guards=(
            Guard(
                word="born",
                born=True,
                about="(SELECT note.public_id FROM documents_document AS note WHERE note.id = NEW.note_id)",
                actions=(Action.DOCUMENT_REFUND_REPLACED,),
            ),
        ),
    ),
    "payouts_tripreport": TableRights(
        guards=(
            Guard(word="born", born=True, actions=(Action.REPORT_OPENED,)),
            Guard(
                word="answered",
                columns=("answer", "answered_at", "answered_by_id"),
                actions=(Action.REPORT_ANSWERED,),
                only="OLD.answered_at IS NULL",
            ),
        ),
    ),
    "payouts_settlement": TableRights(
        guards=(
            Guard(word="born", born=True, about="'payout_' || NEW.payout_id", actions=(Action.PAYOUT_SETTLED,)),
            Guard(
                word="moved",
                columns=("effective",),
                about="'payout_' || NEW.payout_id",
                actions=_ENDED,
            ),
            # Whose statement a payout means by an order may be known only later.
            Guard(
                word="meant",
                columns=("document_id", "amount_minor"),
                about="'payout_' || NEW.payout_id",
                actions=(Action.PAYOUT_SETTLED,),
            ),
        ),
    ),
    "payouts_settlementrequest": TableRights(
        guards=(
            Guard(
                born=True,
                columns=("state",),
                about="NEW.event_id",
                states=state_actions("event.difference_", "REQUESTED", "APPROVED", "WITHDRAWN"),
            ),
            Guard(
                word="approved",
                columns=("approval", "approved_by_id", "approved_at"),
                about="NEW.event_id",
                actions=(Action.EVENT_DIFFERENCE_APPROVED,),
            ),
        ),
    ),
}
