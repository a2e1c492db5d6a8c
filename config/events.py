"""TABLE: event type -> who may send it, and what it sets in motion. One row a type, nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class EventType:
    """`service` signs it; `effect` is the dotted name of the function it sets in motion.

    `locks`, where there is one, names the function that first locks the rows that the effect is about. It runs outside
    the effect's savepoint, so that they stay locked until the event's outcome is committed, whatever the outcome is.
    `waits` names the function that is called when the effect gave up and the event is parked or held.
    """

    service: str
    effect: str
    locks: str = ""
    waits: str = ""


TABLE: Mapping[str, EventType] = MappingProxyType(
    {
        "PAYMENT_CAPTURED": EventType(service="payments", effect="payouts.issuing.receipts.on_payment_captured"),
        "REFUND_ISSUED": EventType(service="refunds", effect="payouts.issuing.receipts.on_refund_issued"),
        "ORDER_COMPLETED": EventType(service="orders", effect="payouts.issuing.order_statements.on_order_completed"),
        "ORDER_ADJUSTED": EventType(
            service="orders",
            effect="payouts.issuing.order_statements.on_order_adjusted",
        ),
        "PAYOUT_SENT": EventType(
            service="payouts",
            effect="payouts.issuing.payout_statements.on_payout_sent",
            locks="payouts.issuing.parties.lock_payee",
            waits="payouts.issuing.payout_statements.on_payout_waiting",
        ),
        "PAYOUT_PERIOD_CLOSED": EventType(
            service="payouts",
            effect="payouts.issuing.payout_statements.on_period_closed",
            locks="payouts.issuing.parties.lock_payee",
            waits="payouts.issuing.payout_statements.on_payout_waiting",
        ),
        "PAYOUT_FAILED": EventType(
            service="payouts",
            effect="payouts.issuing.reversal_notices.on_payout_failed",
            locks="payouts.issuing.parties.lock_payee",
        ),
        "PAYOUT_RETURNED": EventType(
            service="payouts",
            effect="payouts.issuing.reversal_notices.on_payout_returned",
            locks="payouts.issuing.parties.lock_payee",
        ),
        "CONTACT_CHANGED": EventType(service="parties", effect="payouts.issuing.parties.on_contact_changed"),
    }
)
