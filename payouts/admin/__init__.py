"""Payouts in the Document Center. Importing this package registers its pages."""

from payouts.admin import payouts, worklist

__all__ = ["payouts", "worklist"]
