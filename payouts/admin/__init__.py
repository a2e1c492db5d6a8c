"""Payouts in the Document Center. Importing this package registers its pages."""

from payouts.admin import payouts, reports, worklist

__all__ = ["payouts", "reports", "worklist"]
