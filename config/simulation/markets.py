"""What the event streams draw from: three markets with their fares, the names of people, the reasons of banks."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Market:
    """One country's fares. `scale` is how many minor units a unit has; tax rates are in thousandths."""

    country: str
    issuer: str
    currency: str
    service: str
    city: str
    fare: tuple[str, int]
    fee: tuple[str, int]
    unit_minor: int
    tax_ids: tuple[tuple[str, str], ...]


MARKETS = (
    Market(
        country="ES",
        issuer="aventide-es",
        currency="EUR",
        service="PASSENGER_RIDE",
        city="Madrid",
        fare=("IVA10", 100),
        fee=("IVA21", 210),
        unit_minor=100,
        tax_ids=(("12345678Z", "NIF"), ("87654321X", "NIF")),
    ),
    Market(
        country="MX",
        issuer="aventide-mx",
        currency="MXN",
        service="DELIVERY",
        city="Ciudad de México",
        fare=("IVA16", 160),
        fee=("IVA16", 160),
        unit_minor=1500,
        tax_ids=(("CACX7605101P8", "RFC"),),
    ),
    Market(
        country="CO",
        issuer="aventide-co",
        currency="COP",
        service="FOOD_DELIVERY",
        city="Bogotá",
        fare=("INC8", 80),
        fee=("IVA19", 190),
        unit_minor=100_000,
        tax_ids=(("1032456789", "CC"), ("1018123456", "CC")),
    ),
)
NAMES = ("Ana Ruiz Pardo", "Xóchitl Núñez", "Jhon Peña Ruiz", "Íñigo Urrutia", "María-José Güell", "Óscar Ávila")
REASONS = (("ACCOUNT_CLOSED", "La cuenta de destino está cerrada"), ("NAME_MISMATCH", "El titular no coincide"))
