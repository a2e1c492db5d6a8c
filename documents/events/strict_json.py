"""Strict JSON at the door: UTF-8, one object, no name twice, no NaN, bounded depth, one spelling of a number."""

import json
import re

from documents import canonical, errors

DEPTH_MAX = 32
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


def read(*, raw: bytes) -> dict[str, object]:
    """Read a body as one JSON object.

    :raises errors.Problem: `malformed_json`, or `validation_error` for JSON that is no object
    """
    try:
        text = raw.decode("utf-8")
        if _depth(raw) > DEPTH_MAX:
            raise errors.Problem(code="malformed_json", detail=f"nested deeper than {DEPTH_MAX}")
        payload = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
        if not isinstance(payload, dict):
            raise errors.Problem(code="validation_error", detail="the body must be one JSON object")
        canonical.encode(value=payload)
    except UnicodeDecodeError as error:
        raise errors.Problem(code="malformed_json", detail="not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise errors.Problem(code="malformed_json", detail=str(error)[:200]) from error
    return payload


def _depth(raw: bytes) -> int:
    """Return the nesting of a JSON text without building it."""
    deepest = depth = 0
    for bracket in _BRACKET.findall(_QUOTED.sub(b"", raw)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member name appears twice")
    return members


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
