"""The table of the outside: one row a dependency with its limits, backoff, breaker, fallback and alert."""

import random
from dataclasses import dataclass, field

ENDLESS = 1_000_000  # the row is tried for as long as the dependency is away


@dataclass(frozen=True, kw_only=True)
class Dependency:
    """One row: seconds in `_s`; `fallback` is what happens meanwhile (es, en), `never` what must not.

    An incident ends when the dependency has answered for `steady_s`. That is longer than its breaker's pause, so that
    one that comes and goes, be it at the pace of the pause itself, is one incident and not forty; but for our own
    clock, whose pause is a minute and which nobody switches.
    """

    name: str
    connect_s: float
    total_s: float
    attempts_max: int
    backoff_base_s: float
    backoff_cap_s: float
    breaker_failures: int
    breaker_open_s: float
    fallback: tuple[str, str]
    never: str
    alert_severity: str
    steady_s: float = 30.0
    runbook: str = field(default="")


_ROWS = (
    Dependency(
        name="vault", connect_s=2, total_s=10, attempts_max=ENDLESS, backoff_base_s=2, backoff_cap_s=300,
        breaker_failures=3, breaker_open_s=10, alert_severity="P2",
        fallback=("El documento espera como ISSUED; no se sirve nada sin resguardar",
                  "The document waits as ISSUED; nothing unlocked is served"),
        never="show locked; lose; double",
    ),
    Dependency(
        name="vault_former", connect_s=2, total_s=10, attempts_max=1, backoff_base_s=2, backoff_cap_s=300,
        breaker_failures=3, breaker_open_s=10, alert_severity="P2",
        fallback=("Se emite y resguarda en la bóveda actual; lo que está en la anterior no se sirve mientras tanto",
                  "Documents are issued and locked in the present vault; what lies in the former one is not served"),
        never="stop emission; quarantine what cannot be read",
    ),
    Dependency(
        name="vault_canary", connect_s=2, total_s=10, attempts_max=ENDLESS, backoff_base_s=2, backoff_cap_s=300,
        breaker_failures=2, breaker_open_s=30, steady_s=45, alert_severity="P2",
        fallback=("Se emite y resguarda como siempre; el sondeo completo se hace en cuanto conteste",
                  "Documents are issued and locked as ever; the full probe is made as soon as it answers"),
        never="stop emission; count as probed",
    ),
    Dependency(
        name="mail", connect_s=3, total_s=10, attempts_max=150, backoff_base_s=30, backoff_cap_s=3600,
        breaker_failures=3, breaker_open_s=30, steady_s=45, alert_severity="P2",
        fallback=("El documento está en el panel; el correo se reintenta durante 72 h",
                  "The document is in the panel; mail follows for 72 h"),
        never="block emission; mail twice",
    ),
    Dependency(
        name="redis", connect_s=1, total_s=2, attempts_max=1, backoff_base_s=1, backoff_cap_s=30,
        breaker_failures=3, breaker_open_s=5, alert_severity="P2",
        fallback=("Los procesos consultan PostgreSQL cada pocos segundos", "Workers poll PostgreSQL every few seconds"),
        never="lose an event; 5xx at intake",
    ),
    Dependency(
        name="postgresql", connect_s=2, total_s=5, attempts_max=1, backoff_base_s=1, backoff_cap_s=30,
        breaker_failures=3, breaker_open_s=2, alert_severity="P1",
        fallback=("503 con Retry-After; ningún webhook recibe 2xx", "503 with Retry-After; no webhook gets a 2xx"),
        never="accept what is not saved",
    ),
    Dependency(
        name="renderer", connect_s=1, total_s=180, attempts_max=5, backoff_base_s=5, backoff_cap_s=300,
        breaker_failures=3, breaker_open_s=30, steady_s=45, alert_severity="P2",
        fallback=("El documento espera; sus datos se pueden leer", "The document waits; its data can be read"),
        never="different bytes, other fonts",
    ),
    Dependency(
        name="clock", connect_s=1, total_s=2, attempts_max=1, backoff_base_s=1, backoff_cap_s=30,
        breaker_failures=1, breaker_open_s=60, alert_severity="P2",
        fallback=("Con más de 60 s de desvío nada se resguarda", "Beyond 60 s of skew nothing is locked"),
        never="lock with a skew over 60 s",
    ),
    # Both are asked in turn: three alerts that neither takes say within a minute that both are away.
    Dependency(
        name="alert_channel", connect_s=3, total_s=8, attempts_max=ENDLESS, backoff_base_s=60, backoff_cap_s=3600,
        breaker_failures=3, breaker_open_s=30, steady_s=45, alert_severity="P2",
        fallback=("Las alertas salen por ALERT_URL_2; sin ella se ven en el Centro de documentos y se envían después",
                  "Alerts leave by ALERT_URL_2; without one they show in the Document Center and are sent later"),
        never="block emission; lose an alert",
    ),
    Dependency(
        name="alert_channel_2", connect_s=3, total_s=8, attempts_max=ENDLESS, backoff_base_s=60, backoff_cap_s=3600,
        breaker_failures=3, breaker_open_s=30, steady_s=45, alert_severity="P2",
        fallback=("Las alertas salen por ALERT_URL", "Alerts leave by ALERT_URL"),
        never="block emission; lose an alert",
    ),
)  # fmt: skip
DEPENDENCIES: dict[str, Dependency] = {
    row.name: Dependency(
        **{**row.__dict__, "runbook": f"docs/runbooks/{row.name.removesuffix('_2').replace('_', '-')}.md"}
    )
    for row in _ROWS
}


def backoff_s(*, dependency: str, attempt: int) -> float:
    """Return how long a row waits after its `attempt` (from 1): exponential, full jitter."""
    row = DEPENDENCIES[dependency]
    ceiling = min(row.backoff_cap_s, row.backoff_base_s * 2 ** min(max(attempt, 1) - 1, 30))
    return random.uniform(0, ceiling)  # noqa: S311 - spreads load, protects nothing
