"""TABLE: event type -> who may send it, and what it sets in motion. One row a type, nothing else."""

from collections.abc import Mapping
from types import MappingProxyType

from documents.events import effects
from payouts.issuing import (
    cancellations,
    customer_credits,
    disputes,
    handovers,
    order_adjustments,
    order_cancellations,
    order_statements,
    parties,
    party_changes,
    payout_statements,
    reassignments,
    receipts,
    refund_failures,
    refunds,
    reversal_notices,
)

TABLE: Mapping[str, effects.EventType] = MappingProxyType(
    {
        "PAYMENT_CAPTURED": effects.EventType(
            service="payments", effect=receipts.on_payment_captured, locks=party_changes.lock_changing
        ),
        "PAYMENT_CANCELED": effects.EventType(
            service="payments",
            effect=receipts.on_payment_canceled,
            locks=customer_credits.lock_customer,
            waits=cancellations.on_waiting,
        ),
        "DISPUTE_LOST": effects.EventType(
            service="payments", effect=disputes.on_dispute_lost, locks=customer_credits.lock_customer
        ),
        "REFUND_ISSUED": effects.EventType(
            service="refunds", effect=refunds.on_refund_issued, locks=customer_credits.lock_customer
        ),
        "REFUND_FAILED": effects.EventType(
            service="refunds",
            effect=refund_failures.on_refund_failed,
            locks=customer_credits.lock_customer,
            waits=refund_failures.on_failure_waiting,
        ),
        "ORDER_COMPLETED": effects.EventType(
            service="orders", effect=order_statements.on_order_completed, locks=party_changes.lock_changing
        ),
        "ORDER_ADJUSTED": effects.EventType(
            service="orders",
            effect=order_adjustments.on_order_adjusted,
            locks=order_adjustments.lock_owners,
        ),
        "ORDER_CANCELED": effects.EventType(
            service="orders",
            effect=order_cancellations.on_order_canceled,
            locks=order_adjustments.lock_owners,
            waits=cancellations.on_waiting,
        ),
        "ORDER_REASSIGNED": effects.EventType(
            service="orders",
            effect=reassignments.on_order_reassigned,
            locks=reassignments.lock_both,
            waits=handovers.on_waiting,
        ),
        "PAYOUT_SENT": effects.EventType(
            service="payouts",
            effect=payout_statements.on_payout_sent,
            locks=parties.lock_payee,
            waits=payout_statements.on_payout_waiting,
        ),
        "PAYOUT_PERIOD_CLOSED": effects.EventType(
            service="payouts",
            effect=payout_statements.on_period_closed,
            locks=parties.lock_payee,
            waits=payout_statements.on_payout_waiting,
        ),
        "PAYOUT_FAILED": effects.EventType(
            service="payouts",
            effect=reversal_notices.on_payout_failed,
            locks=parties.lock_payee,
        ),
        "PAYOUT_RETURNED": effects.EventType(
            service="payouts",
            effect=reversal_notices.on_payout_returned,
            locks=parties.lock_payee,
            waits=reversal_notices.on_return_waiting,
        ),
        "PAYOUT_CANCELED": effects.EventType(
            service="payouts",
            effect=reversal_notices.on_payout_canceled,
            locks=reversal_notices.lock_payee,
            waits=cancellations.on_waiting,
        ),
        "CONTACT_CHANGED": effects.EventType(
            service="parties",
            effect=party_changes.on_contact_changed,
            locks=party_changes.lock_named,
        ),
    }
)
