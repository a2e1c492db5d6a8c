"""The tables of the documents floor. A rule that can be a constraint or a trigger is one; no `save()` has logic.

Amounts are whole minor units (`_minor`); moments end in `_at` (UTC), legal local days in `_date` or `_until`.
"""

from documents.models.custody import CustodyRound, Erased, ErasurePeriod, LogCommitment, LogFile
from documents.models.deliveries import Channel, Delivery, DeliveryStatus, Link, Notice, RevokeReason, WrongAnswers
from documents.models.dismissal import Dismissal, DismissalState
from documents.models.documents import Document, DocumentKey, Kind, PayoutStatus, RefundStatus, Status
from documents.models.events import Event, EventStatus, Wait
from documents.models.incidents import Alert, Discrepancy, Resolution
from documents.models.keys import ApiKey, IdempotentAnswer, RateCount
from documents.models.leased import Leased
from documents.models.legal_holds import OVER, HoldScope, HoldState, LegalHold
from documents.models.liveness import Circuit, Heartbeat
from documents.models.parties import Country, FormerIssuer, Issuer, IssuingValve, Party, Series
from documents.models.people import Grant, Invitation, Person
from documents.models.probes import ProbeExtent, VaultProbe
from documents.models.sign_ins import PanelSession, SignInCode

__all__ = [
    "OVER",
    "Alert",
    "ApiKey",
    "Channel",
    "Circuit",
    "Country",
    "CustodyRound",
    "Delivery",
    "DeliveryStatus",
    "Discrepancy",
    "Dismissal",
    "DismissalState",
    "Document",
    "DocumentKey",
    "Erased",
    "ErasurePeriod",
    "Event",
    "EventStatus",
    "FormerIssuer",
    "Grant",
    "Heartbeat",
    "HoldScope",
    "HoldState",
    "IdempotentAnswer",
    "Invitation",
    "Issuer",
    "IssuingValve",
    "Kind",
    "Leased",
    "LegalHold",
    "Link",
    "LogCommitment",
    "LogFile",
    "Notice",
    "PanelSession",
    "Party",
    "PayoutStatus",
    "Person",
    "ProbeExtent",
    "RateCount",
    "RefundStatus",
    "Resolution",
    "RevokeReason",
    "Series",
    "SignInCode",
    "Status",
    "VaultProbe",
    "Wait",
    "WrongAnswers",
]
