"""What the events of a stream are made of: amounts, taxes, lines and moments, computed apart from the product."""

import datetime as dt
from typing import Any

EventBody = dict[str, Any]


def tax(base_minor: int, thousandths: int) -> int:
    """Return a tax, rounded half up away from zero."""
    rounded = (abs(base_minor) * thousandths + 500) // 1000
    return rounded if base_minor >= 0 else -rounded


def money(minor: int) -> str:
    """Return an amount of two decimals as text."""
    return f"{'-' if minor < 0 else ''}{abs(minor) // 100}.{abs(minor) % 100:02d}"


def line(number: int, kind: str, description: str, amount_minor: int, code: str = "") -> EventBody:
    """Return one line; untaxed without a tax code."""
    plain = {"id": str(number), "kind": kind, "description": description, "amount": money(amount_minor)}
    return plain | ({"tax": code} if code else {})


def text(moment: dt.datetime) -> str:
    """Return a moment as events state it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
