"""Events of the tests' own making: an order, its adjustment, a payout; small, valid, and changed by the test."""

from typing import Any

EventJson = dict[str, Any]  # an event or a part of one, as it is sent


def _event(kind: str, name: str, at: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": name,
        "type": kind,
        "occurred_at": at,
        "country": "ES",
        "issuer": "aventide-es",
        "data": {"currency": "EUR", **data},
    }


def line(amount: str, *, name: str = "1", kind: str = "FARE", tax: str | None = None, **more: str) -> dict[str, str]:
    """Return one line; untaxed unless told."""
    return {
        "id": name,
        "kind": kind,
        "description": kind.title(),
        "amount": amount,
        **({"tax": tax} if tax else {}),
        **more,
    }


def order(
    name: str,
    amount: str = "10.00",
    *,
    driver: str = "drv_1",
    at: str = "2026-02-17T10:00:00Z",
    **more: Any,
) -> dict[str, Any]:
    """Return ORDER_COMPLETED with one untaxed line."""
    data = {
        "order": {"id": name, "service": "RIDE", "completed_at": at},
        "driver": {"id": driver, "legal_name": f"Conductora {driver}"},
        "lines": [line(amount)],
        "withholdings": [],
    }
    return _event("ORDER_COMPLETED", f"evt_{name}", at, data | more)


def adjustment(
    name: str,
    of: str,
    amount: str = "2.00",
    *,
    at: str = "2026-02-18T10:00:00Z",
    **more: Any,
) -> dict[str, Any]:
    """Return ORDER_ADJUSTED with one untaxed line."""
    data = {
        "adjustment": {"id": name, "reason": "Propina tardía", "made_at": at},
        "order": {"id": of},
        "lines": [line(amount, kind="TIP")],
    }
    return _event("ORDER_ADJUSTED", f"evt_{name}", at, data | more)


def reassignment(
    name: str,
    of: str,
    *,
    giver: str = "drv_1",
    taker: str = "drv_2",
    at: str = "2026-02-19T10:00:00Z",
    **more: Any,
) -> dict[str, Any]:
    """Return ORDER_REASSIGNED."""
    data = {
        "reassignment": {"id": name, "reason": "WRONG_DRIVER", "made_at": at},
        "order": {"id": of},
        "from": {"id": giver},
        "to": {"id": taker, "legal_name": f"Conductora {taker}"},
    }
    return _event("ORDER_REASSIGNED", f"evt_{name}", at, data | more)


def order_canceled(of: str, *, at: str = "2026-02-20T12:00:00Z", **more: Any) -> dict[str, Any]:
    """Return ORDER_CANCELED."""
    reason = {"code": "CUSTOMER_CANCELED", "text": "El cliente canceló el pedido"}
    data = {"order": {"id": of}, "reason": reason, "canceled_at": at}
    return _event("ORDER_CANCELED", f"evt_{of}_canceled", at, data | more)


def payout(
    name: str,
    amount: str,
    *,
    orders: list[str] | None = None,
    payee: str = "drv_1",
    at: str = "2026-02-23T07:00:00Z",
    opening: str = "0.00",
    closing: str = "0.00",
    **more: Any,
) -> dict[str, Any]:
    """Return PAYOUT_SENT; `settles=[...]` takes the place of `orders`."""
    data: dict[str, Any] = {
        "payout": {
            "id": name,
            "method": "SEPA",
            "destination_masked": "ES** **** 6789",
            "sent_at": at,
            "reference": name.upper(),
            "amount": amount,
        },
        "payee": {"id": payee},
        "period": {"from": "2026-02-16", "to": "2026-02-22"},
        "adjustments": [],
        "withholdings": [],
        "cash_collected": "0.00",
        "opening_carry_over": opening,
        "closing_carry_over": closing,
    }
    if "settles" not in more:
        data["orders"] = orders or []
    return _event("PAYOUT_SENT", f"evt_{name}", at, data | more)


def period_closed(name: str, *, orders: list[str], at: str = "2026-02-23T07:00:00Z", **more: Any) -> dict[str, Any]:
    """Return PAYOUT_PERIOD_CLOSED."""
    event = payout(name, "0.00", orders=orders, at=at, **more)
    event["data"]["payout"] = {"id": name, "amount": "0.00"}
    return event | {"type": "PAYOUT_PERIOD_CLOSED", "id": f"evt_{name}"}


def reversal(
    of: str,
    amount: str,
    *,
    kind: str = "PAYOUT_RETURNED",
    payee: str = "drv_1",
    at: str = "2026-02-24T10:00:00Z",
    **more: str,
) -> dict[str, Any]:
    """Return PAYOUT_RETURNED, or PAYOUT_FAILED."""
    data = {
        "payout": {"id": of, "amount": amount, **more},
        "payee": {"id": payee},
        "reason": {"code": "ACCOUNT_CLOSED", "text": "La cuenta está cerrada"},
    }
    return _event(kind, f"evt_{of}_{kind.lower()}", at, data)


def payment(
    name: str, amount: str, lines: list[dict[str, str]], *, at: str = "2026-02-17T09:00:00Z", **more: Any
) -> dict[str, Any]:
    """Return PAYMENT_CAPTURED."""
    data = {
        "payment": {"id": name, "method": "card", "captured_at": at, "amount": amount},
        "order": {"id": f"ord_of_{name}", "service": "RIDE"},
        "customer": {"id": "cus_1", "legal_name": "Lucía Peña"},
        "lines": lines,
    }
    return _event("PAYMENT_CAPTURED", f"evt_{name}", at, data | more)


def refund(
    name: str, of: str, lines: list[dict[str, str]], *, replaces: str | None = None, **more: Any
) -> dict[str, Any]:
    """Return REFUND_ISSUED."""
    data: dict[str, Any] = {"refund": {"id": name, "payment_id": of, "reason": "ITEM_MISSING"}, "lines": lines}
    if replaces:
        data["refund"]["replaces"] = replaces
    return _event("REFUND_ISSUED", f"evt_{name}", "2026-02-20T09:00:00Z", data | more)


def refund_failed(name: str, of: str) -> dict[str, Any]:
    """Return REFUND_FAILED of that refund."""
    data = {"refund": {"id": name, "payment_id": of}, "reason": {"code": "CARD_CLOSED", "text": "Tarjeta cerrada"}}
    return _event("REFUND_FAILED", f"evt_{name}_failed", "2026-02-20T10:00:00Z", data)


def dispute(name: str, of: str, amount: str, *, at: str = "2026-02-21T09:00:00Z", **more: Any) -> dict[str, Any]:
    """Return DISPUTE_LOST."""
    data = {"dispute": {"id": name, "payment_id": of, "amount": amount, "reason": "FRAUDULENT"}}
    return _event("DISPUTE_LOST", f"evt_{name}", at, data | more)


def cancellation(of: str, *, at: str, kind: str = "PAYMENT_CANCELED") -> dict[str, Any]:
    """Return PAYMENT_CANCELED, ORDER_CANCELED or PAYOUT_CANCELED of that id, canceled at that moment."""
    data = {
        kind.partition("_")[0].lower(): {"id": of},
        "reason": {"code": "CUSTOMER_LEFT", "text": "El cliente lo canceló"},
        "canceled_at": at,
    }
    event = _event(kind, f"evt_{of}_canceled", at, data)
    del event["data"]["currency"]
    return event


def contact(of: str, *, at: str, **more: str) -> dict[str, Any]:
    """Return CONTACT_CHANGED."""
    event = _event("CONTACT_CHANGED", f"evt_{of}_{at}".replace(":", "."), at, {"party": {"id": of, **more}})
    del event["data"]["currency"]
    return event
