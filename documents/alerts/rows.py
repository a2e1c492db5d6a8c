"""The form of a row of the table of alerts."""

from collections.abc import Mapping
from dataclasses import dataclass

from documents.alerts.owners import Owner
from documents.countries.sources import Words


@dataclass(frozen=True, kw_only=True)
class AlertRow:
    """One alert: `page` is its runbook; without a `severity` it has that of the code in its value `cause`.

    Nothing that the service sees ends one that `ends_by_hand`: a person does, with a reason.
    """

    severity: str
    page: str
    owner: Owner
    sentences: Mapping[str, Words]
    meanwhile: Words | None = None
    ends_by_hand: bool = False
