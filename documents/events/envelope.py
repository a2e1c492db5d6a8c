"""The messages that other systems send: an envelope of a known type around data of a strict schema (`schemas`).

`parse` is all that the door asks of a message: does it look right? `business_input` is the part of a message that must
be the same when it is sent again, and so what a document's fingerprint is made of.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError, create_model
from pydantic_core import ErrorDetails

from documents import errors, money
from documents.events import fields, schema_parts, schemas, undoing_schemas

FAULTS_MAX = 50
POINTER_LENGTH_MAX = 200
# What of a finding's context is ours to repeat: limits and forms, never what came.
LIMITS = frozenset({"max", "min_length", "max_length", "pattern", "expected", "minutes_max", "first_max", "last_max"})
CONTACT = frozenset({"email", "locale", "address"})
_UNSAFE = re.compile("[^\x20-\x7e\xa0-\ud7ff\ue000-\uffff]")


class EventMessage(schema_parts.Strict):
    """What every event has around its data."""

    id: fields.Id
    type: fields.Id
    occurred_at: fields.Moment
    country: fields.CountryCode
    issuer: fields.Id
    data: Any


class Unknown(EventMessage):
    """A type that is in no table: stored and ignored."""

    data: dict[str, Any]


# TABLE: event type -> the strict schema of its data, and the member of it whose id says what the event is about.
_TYPES: Mapping[str, tuple[type[BaseModel], str]] = MappingProxyType(
    {
        "PAYMENT_CAPTURED": (schemas.PaymentData, "payment"),
        "PAYMENT_CANCELED": (undoing_schemas.PaymentCanceledData, "payment"),
        "DISPUTE_LOST": (undoing_schemas.DisputeData, "dispute"),
        "REFUND_ISSUED": (schemas.RefundData, "refund"),
        "REFUND_FAILED": (undoing_schemas.RefundFailedData, "refund"),
        "ORDER_COMPLETED": (schemas.OrderData, "order"),
        "ORDER_ADJUSTED": (schemas.AdjustmentData, "adjustment"),
        "ORDER_CANCELED": (undoing_schemas.OrderCanceledData, "order"),
        "ORDER_REASSIGNED": (undoing_schemas.ReassignmentData, "reassignment"),
        "PAYOUT_SENT": (schemas.PayoutData, "payout"),
        "PAYOUT_PERIOD_CLOSED": (schemas.PeriodClosedData, "payout"),
        "PAYOUT_FAILED": (undoing_schemas.ReversalData, "payout"),
        "PAYOUT_RETURNED": (undoing_schemas.ReversalData, "payout"),
        "PAYOUT_CANCELED": (undoing_schemas.PayoutCanceledData, "payout"),
        "CONTACT_CHANGED": (schemas.ContactData, "party"),
    }
)
SCHEMAS: Mapping[str, type[EventMessage]] = MappingProxyType(
    {type_: create_model(type_, __base__=EventMessage, data=(data, ...)) for type_, (data, _) in _TYPES.items()}
)
_PAYOUT = ("PAYOUT_SENT", "PAYOUT_PERIOD_CLOSED")
# TABLE: cancellation -> the facts that it cancels, which have its subject.
CANCELLATIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"PAYMENT_CANCELED": ("PAYMENT_CAPTURED",), "ORDER_CANCELED": ("ORDER_COMPLETED",), "PAYOUT_CANCELED": _PAYOUT}
)


def parse(*, payload: object, now: dt.datetime | None = None) -> EventMessage:
    """Return an event's payload as its strict schema reads it; an unknown type as Unknown.

    With `now`, a moment too far ahead of it is refused; without, the message is a stored one.

    :raises errors.Problem: `validation_error` with a fault per wrong place (at most FAULTS_MAX)
    """
    if not isinstance(payload, dict):
        raise _refused([errors.Fault(pointer="", code="type")])
    kind = payload.get("type")
    schema = SCHEMAS.get(kind, Unknown) if isinstance(kind, str) else Unknown
    faults = [errors.Fault(pointer=path, code="null") for path in _nulls(payload)]
    if schema is Unknown:
        faults = []  # its data may have any shape
    if faults:
        raise _refused(faults)
    try:
        latest = None if now is None else now + dt.timedelta(minutes=fields.AHEAD_MINUTES_MAX)
        context = {"digits": _digits(payload), "latest": latest}
        return schema.model_validate(payload, context=context)
    except ValidationError as cause:
        raise _refused([_fault(error) for error in cause.errors(include_url=False, include_input=False)]) from None


def moments(*, message: BaseModel, path: str = "") -> Iterator[tuple[str, dt.date]]:
    """Yield (pointer, moment or day) of all that a message dates; the items of its lists have no dates."""
    for name, field in type(message).model_fields.items():
        value, pointer = getattr(message, name), f"{path}/{field.alias or name}"
        if isinstance(value, dt.date):  # a datetime is one too
            yield pointer, value
        elif isinstance(value, BaseModel):
            yield from moments(message=value, path=pointer)


def subject(*, message: EventMessage) -> str:
    """Return what a message is about: `payment:pay_1`, `order:ord_1`...; empty for an unknown type."""
    if isinstance(message, Unknown):
        return ""
    _, name = _TYPES[message.type]
    return f"{name}:{getattr(message.data, name).id}"


def equivalent_types(*, type_: str) -> tuple[str, ...]:
    """Return the types that mean the same of a subject: a payout is sent, or its period closed."""
    return _PAYOUT if type_ in _PAYOUT else (type_,)


def each_counts(*, type_: str) -> bool:
    """Return whether every event of a subject counts by itself, as each change of contact data does."""
    return type_ == "CONTACT_CHANGED"


def business_input(*, message: EventMessage) -> dict[str, Any]:
    """Return the normalised data, JSON-ready, without contact fields or absent ones.

    No event id, no envelope times, nothing computed. A beneficiary who is the driver is the same as none, and the
    currency of an event without amounts says nothing.
    """
    data = _plain_members(
        message.data.model_dump(by_alias=True) if isinstance(message.data, BaseModel) else message.data
    )
    if "beneficiary" in data and data["beneficiary"] == data["driver"]:
        del data["beneficiary"]
    if isinstance(message.data, schema_parts.PlainData):
        data.pop("currency", None)
    return data


def _plain_members(members: Mapping[str, object]) -> dict[str, Any]:
    """Return a dumped object's members, contact and absent ones left out."""
    return {key: _plain(item) for key, item in members.items() if item is not None and key not in CONTACT}


def _plain(value: object) -> object:
    """Return a dumped value with moments and days as text, contact and absent fields left out."""
    if isinstance(value, dict):
        return _plain_members(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dt.date):  # a datetime is one too, and is in UTC already
        return value.isoformat()
    return value


def _digits(payload: Mapping[str, Any]) -> int | None:
    """Return the digits of the payload's currency; None where it names no known one."""
    data = payload.get("data")
    currency = data.get("currency") if isinstance(data, dict) else None
    try:
        return money.digits(currency) if isinstance(currency, str) else None
    except errors.Problem:
        return None  # `currency_unsupported` is the effect's answer: it holds the event instead of refusing it


def _nulls(value: object, path: str = "") -> Iterator[str]:
    """Yield the pointer of every null: an absent field is left out, never null.

    The depth was limited when the body was read.
    """
    if value is None:
        yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            if item is None or isinstance(item, dict | list):
                yield from _nulls(item, f"{path}/{_token(key)}"[:POINTER_LENGTH_MAX])
    elif isinstance(value, list):
        for place, item in enumerate(value):
            if item is None or isinstance(item, dict | list):
                yield from _nulls(item, f"{path}/{place}"[:POINTER_LENGTH_MAX])


def _token(part: object) -> str:
    """Return one part of an RFC 6901 pointer that is safe to store and to print."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", str(part)).replace("~", "~0").replace("/", "~1")


def _fault(error: ErrorDetails) -> errors.Fault:
    """Turn one of pydantic's findings into a fault; the value itself is never repeated."""
    pointer = "".join(f"/{_token(part)}" for part in error["loc"])[:POINTER_LENGTH_MAX]
    values: dict[str, errors.Value] = {
        name: value for name, value in error.get("ctx", {}).items() if name in LIMITS and isinstance(value, int | str)
    }
    return errors.Fault(pointer=pointer, code=error["type"], values=values)


def _refused(faults: list[errors.Fault]) -> errors.Problem:
    """Build the refusal of a payload that is not what its schema says."""
    return errors.Problem(code="validation_error", errors=faults[:FAULTS_MAX])
