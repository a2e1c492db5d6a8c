"""TABLE: event type -> who may send it, its schema's subject, and what it sets in motion. One row a type, nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from documents.facts import Envelope


@dataclass(frozen=True, kw_only=True)
class Row:
    """`service` signs it; `effect` is the dotted name of the function it sets in motion; `subject` names what it is about."""

    service: str
    effect: str
    subject: Callable[[Envelope], str]


TABLE: Mapping[str, Row] = MappingProxyType(
    {
        "PAYMENT_CAPTURED": Row(
            service="payments", effect="payouts.receipts.on_payment_captured", subject=lambda fact: f"payment:{fact.data.payment.id}"
        ),
        "REFUND_ISSUED": Row(
            service="refunds", effect="payouts.receipts.on_refund_issued", subject=lambda fact: f"refund:{fact.data.refund.id}"
        ),
        "ORDER_COMPLETED": Row(
            service="orders", effect="payouts.statements.on_order_completed", subject=lambda fact: f"order:{fact.data.order.id}"
        ),
        "ORDER_ADJUSTED": Row(
            service="orders",
            effect="payouts.statements.on_order_adjusted",
            subject=lambda fact: f"adjustment:{fact.data.adjustment.id}",
        ),
        "PAYOUT_SENT": Row(
            service="payouts", effect="payouts.transfers.on_payout_sent", subject=lambda fact: f"payout:{fact.data.payout.id}"
        ),
        "PAYOUT_PERIOD_CLOSED": Row(
            service="payouts", effect="payouts.transfers.on_period_closed", subject=lambda fact: f"payout:{fact.data.payout.id}"
        ),
        "PAYOUT_FAILED": Row(
            service="payouts", effect="payouts.transfers.on_payout_failed", subject=lambda fact: f"payout:{fact.data.payout.id}"
        ),
        "PAYOUT_RETURNED": Row(
            service="payouts", effect="payouts.transfers.on_payout_returned", subject=lambda fact: f"payout:{fact.data.payout.id}"
        ),
        "CONTACT_CHANGED": Row(
            service="parties", effect="payouts.parties.on_contact_changed", subject=lambda fact: f"party:{fact.data.party.id}"
        ),
    }
)
