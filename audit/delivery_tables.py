"""What the runtime role may do to the rows of what is sent: deliveries, notices, links; see `audit.tables`."""

from audit.actions import Action
from audit.guard import EVENT_TABLE, THIS_TRANSACTION, Guard, TableRights, state_actions

_LEASE = ("attempts", "lease", "lease_until_at", "next_try_at")
_MAIL = (
    Action.DELIVERY_SENT,
    Action.DELIVERY_FAILED,
    Action.DELIVERY_BOUNCED,
    Action.DELIVERY_OPENED,
    Action.DELIVERY_DOWNLOADED,
    Action.DELIVERY_NOT_WANTED,
)
_SERVED = (Action.DOCUMENT_DOWNLOADED, Action.DOCUMENT_VIEWED)
# A download of any document of a week's mail, whose link is that of its first delivery.
_OF_WEEK = (
    "NEW.weekly AND EXISTS (SELECT FROM documents_delivery AS delivery"
    " JOIN documents_document AS document ON document.id = delivery.document_id"
    f" JOIN {EVENT_TABLE} AS event ON event.object_id = document.public_id"
    f" WHERE delivery.bundle_id = NEW.delivery_id AND {THIS_TRANSACTION}"
    f" AND event.action IN ({', '.join(repr(str(action)) for action in _SERVED)}))"
)

ROWS: dict[str, TableRights] = {
    "documents_delivery": TableRights(
        working=(*_LEASE, "bundle_id"),  # the bundle is leased by its first delivery
        guards=(
            Guard(
                word="born",
                born=True,
                actions=(Action.DELIVERY_QUEUED, Action.DELIVERY_RESENT, Action.DELIVERY_NOT_WANTED),
            ),
            Guard(
                word="moved",
                columns=("status", "cause", "sent_at", "opened_at", "downloaded_at", "address_digest"),
                actions=_MAIL,
            ),
        ),
    ),
    "documents_link": TableRights(
        guards=(
            Guard(word="born", born=True, actions=(Action.LINK_CREATED,)),
            Guard(
                word="revoked",
                columns=("revoked_at", "revoked_reason"),
                actions=(Action.LINK_REVOKED,),
                only="OLD.revoked_at IS NULL",
            ),
            Guard(
                word="tried",
                columns=("seen_at", "opened_at", "code_used_at", "wrong_answers", "locked_until_at"),
                actions=(Action.LINK_SEEN, Action.LINK_OPENED, Action.LINK_FAILED, Action.LINK_LOCKED),
            ),
            Guard(
                word="counted",
                columns=("downloads", "counted"),
                about="(SELECT document.public_id FROM documents_document AS document"
                " WHERE document.id = NEW.document_id)",
                actions=_SERVED,
                instead=_OF_WEEK,
            ),
        ),
    ),
    "documents_notice": TableRights(
        working=_LEASE,
        guards=(
            Guard(born=True, columns=("status",), states=state_actions("delivery.", "QUEUED", "SENT", "BOUNCED")),
            Guard(word="ended", columns=("address", "cause", "sent_at"), actions=_MAIL),
        ),
    ),
    "documents_wronganswers": TableRights(
        insert="a count of wrong answers, each of which is recorded itself",
        delete="a count whose period is over",
        working=("count", "ends_at"),
    ),
}
