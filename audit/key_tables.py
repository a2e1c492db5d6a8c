"""The rows of `tables.TABLES` about keys of the API and what is remembered of their requests."""

from audit.actions import Action
from audit.guard import Guard, TableRights

ROWS: dict[str, TableRights] = {
    "documents_apikey": TableRights(
        working=("last_used_at",),
        guards=(
            Guard(word="born", born=True, actions=(Action.KEY_CREATED,)),
            Guard(word="rotated", columns=("expires_at",), actions=(Action.KEY_ROTATED,)),
            Guard(
                word="revoked", columns=("revoked_at",), actions=(Action.KEY_REVOKED,), only="OLD.revoked_at IS NULL"
            ),
        ),
    ),
    "documents_idempotentanswer": TableRights(
        insert="the answer to a change, which is recorded itself", delete="30 days later"
    ),
    "documents_ratecount": TableRights(insert="a counter of requests", working=("window_number", "count")),
}
