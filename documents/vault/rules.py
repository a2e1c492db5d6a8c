"""What follows from each failure of the vault's promise: one row a `worm_*` code."""

from dataclasses import dataclass

from documents import errors

OUR_CLOCK = "clock"  # the cause that a failure names
SKEW_MAX_S = 60.0  # over it no retention date can be trusted, so nothing is locked


@dataclass(frozen=True, kw_only=True)
class WormRule:
    """What follows from a `worm_*` code: `retry` says who tries again and when, `runbook` is a page and its anchor."""

    severity: str
    retry: str
    runbook: str
    metric: str = "docs_worm_errors_total"


def _rule(*, code: str) -> WormRule:
    """Return the rule of a `worm_*` code."""
    row = errors.CODES[code]
    retry = (
        "the document stays ISSUED; tried again with backoff"
        if row.retryable
        else "never by itself: a person resolves it"
    )
    return WormRule(severity=row.severity, retry=retry, runbook=f"docs/runbooks/worm.md#{code}")


def is_our_clock(*, problem: errors.Problem) -> bool:
    """Say whether this machine's clock stands in the way: the row `clock` tells people, and the store is well."""
    return problem.code.startswith("worm_") and problem.values.get("cause") == OUR_CLOCK


RULES: dict[str, WormRule] = {code: _rule(code=code) for code in errors.CODES if code.startswith("worm_")}
