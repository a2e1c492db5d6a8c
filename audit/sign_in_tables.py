"""The rows of `tables.TABLES` about the panel: the codes with which people sign in, and their sessions."""

from audit.actions import Action
from audit.guard import Guard, TableRights, state_actions

_CODE = "(SELECT code.public_id FROM documents_signincode AS code WHERE code.id = NEW.code_id)"

ROWS: dict[str, TableRights] = {
    "documents_signincode": TableRights(
        working=("attempts", "lease", "lease_until_at", "next_try_at"),
        guards=(
            Guard(born=True, columns=("status",), states=state_actions("delivery.", "QUEUED", "SENT", "BOUNCED")),
            Guard(
                word="ended",
                columns=("address", "cause", "sent_at"),
                actions=(Action.DELIVERY_SENT, Action.DELIVERY_FAILED, Action.DELIVERY_BOUNCED),
            ),
            Guard(word="missed", columns=("wrong_answers",), actions=(Action.SESSION_FAILED,)),
            Guard(word="used", columns=("used_at",), actions=(Action.SESSION_LOGIN,), only="OLD.used_at IS NULL"),
        ),
    ),
    "documents_panelsession": TableRights(
        guards=(
            Guard(word="born", born=True, about=_CODE, actions=(Action.SESSION_LOGIN,)),
            Guard(word="ended", columns=("ended_at",), actions=(Action.SESSION_LOGOUT,), only="OLD.ended_at IS NULL"),
        ),
    ),
}
