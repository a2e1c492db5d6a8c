"""Who takes care of an alert first."""

from collections.abc import Mapping
from enum import StrEnum

from documents.countries.sources import Words


class Owner(StrEnum):
    """Who takes care of an alert first."""

    FINANCE = "finance"
    OPERATIONS = "operations"
    ENGINEERING = "engineering"
    COMPLIANCE = "compliance"


OWNERS: Mapping[Owner, Words] = {
    Owner.FINANCE: Words(es="Finanzas", en="Finance"),
    Owner.OPERATIONS: Words(es="Operaciones", en="Operations"),
    Owner.ENGINEERING: Words(es="Ingeniería", en="Engineering"),
    Owner.COMPLIANCE: Words(es="Cumplimiento", en="Compliance"),
}
