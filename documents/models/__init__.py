"""The tables of the documents floor. What a constraint or trigger can keep, it keeps; no `save()` has logic.

Amounts are whole minor units (`_minor`); moments end in `_at` (UTC), legal local days in `_date` or `_until`.
"""

from documents.models.closing import Closing, ClosingState
from documents.models.core import (
    Country,
    Document,
    DocumentKey,
    Event,
    EventStatus,
    Issuer,
    Kind,
    Party,
    PayoutStatus,
    Series,
    Status,
    Wait,
)
from documents.models.outward import (
    Alert,
    Channel,
    Delivery,
    DeliveryStatus,
    Discrepancy,
    Link,
    Notice,
)

__all__ = [
    "Alert",
    "Channel",
    "Closing",
    "ClosingState",
    "Country",
    "Delivery",
    "DeliveryStatus",
    "Discrepancy",
    "Document",
    "DocumentKey",
    "Event",
    "EventStatus",
    "Issuer",
    "Kind",
    "Link",
    "Notice",
    "Party",
    "PayoutStatus",
    "Series",
    "Status",
    "Wait",
]
