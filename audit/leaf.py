"""What a sealed leaf holds, and how: pure, so that an offline verifier can repeat it from this page alone.

The leaf of an event is the canonical JSON (RFC 8785) of the object with exactly the members of `FIELDS` and `v`, the
version of this encoding. Every member is text, except the integers `v`, `id` and `count`, and the object `facts`:

- `at`: UTC, `YYYY-MM-DDTHH:MM:SS.ffffffZ`, always six digits of a second;
- `facts`: texts by the names of `FACTS`, those that the event has: what it says of a document for ever, in clear;
- `details_digest`: 64 lower-case hexadecimal digits, or empty when the event has no details;
- `blind`: 32 lower-case hexadecimal digits, of 16 bytes that the database draws for each event;
- all others: the column as stored, empty where there is nothing to say.

`facts` prove what was issued and stored after everything else about a person has been erased: they hold ids of the
service, numbers, digests and dates, no amount and no name. `blind` makes a leaf unguessable, so that its hash, which
proofs show to strangers, says nothing of an event that somebody else's proof passes by.

`details_digest` is SHA-256(salt || canonical JSON of the details). The 16 bytes of salt are random for each event and
lie beside the details, so that erasing both leaves a digest that no list of names or addresses can be tried against.
"""

import datetime as dt
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

VERSION = 2
FIELDS = (
    "id",
    "at",
    "action",
    "object_type",
    "object_id",
    "actor_kind",
    "actor_id",
    "role",
    "key",
    "service",
    "channel",
    "outcome",
    "code",
    "request_id",
    "count",
    "facts",
    "details_digest",
    "blind",
)
# Those that the database states itself; the others are what whoever records states.
DRAWN = frozenset({"id", "at", "details_digest", "blind"})
STATED = tuple(name for name in FIELDS if name not in DRAWN)
FACTS = frozenset(
    {
        *("owner", "document_key", "number", "content_sha256", "file_sha256", "vault_version", "retain_until"),
        "public_key",  # one that signs the log
    }
)
FACT_LENGTH_MAX = 200
SALT_BYTES = BLIND_BYTES = 16
INTEGER_MAX = 2**53 - 1  # RFC 8785: larger ones do not survive an IEEE double
DEPTH_MAX = 8

Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json] | None"
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
# NUL cannot be stored in jsonb, and a lone surrogate is not a character.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class Sealable(Protocol):
    """An event as stored: anything with the columns of FIELDS (a model instance, a row of an export)."""

    id: int
    at: dt.datetime
    action: str
    object_type: str
    object_id: str
    actor_kind: str
    actor_id: str
    role: str
    key: str
    service: str
    channel: str
    outcome: str
    code: str
    request_id: str
    count: int
    facts: Mapping[str, str]
    details_digest: bytes | memoryview | None
    blind: bytes | memoryview


def canonical(value: Json) -> bytes:
    """Return RFC 8785 bytes of a value already passed by `check`.

    With names in ASCII and no number but integers below 2**53, Python's sorted, compact JSON is RFC 8785 exactly: the
    two differ only in how they print fractions and sort names beyond the Basic Multilingual Plane.
    """
    return _ENCODER.encode(value).encode()


def check(value: object, *, depth: int = 0) -> None:
    """Refuse a value that would not come back from jsonb exactly as it went in.

    :raises ValueError: for a fraction, an integer beyond 2**53, a name that is not plain ASCII, NUL or a lone
        surrogate in a text, more than DEPTH_MAX levels, or any other type.
    """
    if depth > DEPTH_MAX:
        raise ValueError(f"details are nested deeper than {DEPTH_MAX} levels")
    if isinstance(value, dict):
        value = [_named(name=name, item=item) for name, item in value.items()]
    if isinstance(value, list | tuple):
        for item in value:
            check(item, depth=depth + 1)
    elif isinstance(value, str):
        if _UNSTORABLE.search(value):
            raise ValueError("a text in the details cannot be stored: it holds NUL or a lone surrogate")
    elif isinstance(value, int):  # bool too
        if abs(value) > INTEGER_MAX:
            raise ValueError("an integer in the details is beyond 2**53")
    elif value is not None:
        raise ValueError(f"details hold text, integers, lists and objects; not {type(value).__name__}")


def _named(*, name: object, item: object) -> object:
    """Return the item of a name that RFC 8785 and Python sort alike, or refuse it."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError("a name in the details is not 1 to 64 plain ASCII characters")
    return item


def digest(*, salt: bytes, body: bytes) -> bytes:
    """Return the 32 bytes that stand in the leaf for details with this canonical JSON."""
    return hashlib.sha256(salt + body).digest()


def encode(event: Sealable) -> bytes:
    """Return the leaf of one event: the bytes that a sealer hashes (as 0x00 || leaf, RFC 9162)."""
    return encode_row([getattr(event, name) for name in FIELDS])


def encode_row(row: Sequence[Any]) -> bytes:
    """Return the leaf of an event whose columns come in the order of FIELDS, as the database gives them."""
    members = dict(zip(FIELDS, row, strict=True))
    members["at"] = members["at"].astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    if isinstance(members["facts"], str):  # as Django leaves jsonb in a cursor of its own
        members["facts"] = json.loads(members["facts"]) if members["facts"] != "{}" else {}
    digest = members["details_digest"]
    members["details_digest"] = bytes(digest).hex() if digest is not None else ""
    members["blind"] = bytes(members["blind"]).hex()
    members["v"] = VERSION
    return canonical(members)
