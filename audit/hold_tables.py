"""The rows of `tables.TABLES` about legal holds."""

from audit.actions import Action
from audit.guard import Guard, TableRights, state_actions

_MATTER = "(SELECT matter.public_id FROM documents_legalhold AS matter WHERE matter.id = NEW.hold_id)"

ROWS: dict[str, TableRights] = {
    "documents_holdscope": TableRights(
        guards=(Guard(word="born", born=True, about=_MATTER, actions=(Action.HOLD_SET,)),),
    ),
    "documents_legalhold": TableRights(
        guards=(
            Guard(
                born=True,
                columns=("state",),
                states={
                    "SET": (Action.HOLD_SET, Action.HOLD_RELEASE_WITHDRAWN),
                    **state_actions("hold.", "RELEASE_REQUESTED", "RELEASED", "ENDED"),
                },
                # By its own date, once that day is over wherever the law is.
                only="NEW.state <> 'ENDED' OR NEW.hold_until < (now() AT TIME ZONE 'Pacific/Kiritimati')::date",
            ),
            Guard(
                word="requested",
                columns=("release_reason", "requested_by_id", "requested_at"),
                actions=(Action.HOLD_RELEASE_REQUESTED, Action.HOLD_RELEASE_WITHDRAWN),
            ),
            Guard(
                word="approved",
                columns=("approval", "released_by_id", "released_at"),
                actions=(Action.HOLD_RELEASED,),
            ),
            Guard(word="ended", columns=("ended_at",), actions=(Action.HOLD_ENDED,)),
        ),
    ),
}
