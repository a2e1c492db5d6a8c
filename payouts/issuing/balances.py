"""The chain of balances: a payout opens with what the one before it of the same payee, issuer and currency closed with.

The one before is the last by the time of sending and then by its id, among those that had not failed or come back.
"""

import datetime as dt

from documents.models import Issuer, Party
from payouts.models import Payout

# The rule, once: with parameters here, with the columns of a payout in `reconciliation.checks`. `at` is the moment from
# which the chain is looked at: a payout that came back later than that was in effect.
BEFORE = """
SELECT earlier.* FROM payouts_payout earlier
WHERE earlier.payee_id = %(payee)s AND earlier.issuer_id = %(issuer)s AND earlier.currency = %(currency)s
  AND (earlier.sent_at, earlier.payout_id) < (%(sent_at)s, %(payout)s)
  AND (earlier.returned_at IS NULL OR earlier.returned_at > %(at)s)
ORDER BY earlier.sent_at DESC, earlier.payout_id DESC LIMIT 1
"""


def payout_before(*, payout: str, sent_at: dt.datetime, payee: Party, issuer: Issuer, currency: str) -> Payout | None:
    """Return the payout with whose closing balance another has to open, by the events' own times; None: the first."""
    rows = Payout.objects.raw(
        BEFORE,
        {
            "payee": payee.pk,
            "issuer": issuer.pk,
            "currency": currency,
            "sent_at": sent_at,
            "payout": payout,
            "at": sent_at,
        },
    )
    return next(iter(rows), None)


def closing_minor(*, before: Payout | None) -> int:
    """Return the balance with which the payout after another has to open, in minor units; zero where there is none."""
    return before.closing_minor if before else 0


def awaited(*, payee: Party, issuer: Issuer) -> str:
    """Return the name under which a payout waits for the one before it."""
    return f"balance:{payee.platform_id}:{issuer.slug}"


def is_awaited(name: str) -> bool:
    """Tell whether a name that an event waits for is that of a payout before it."""
    return name.startswith("balance:")
