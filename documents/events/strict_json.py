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
            raise _malformed(cause="depth", depth_max=DEPTH_MAX)
        payload = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
        if not isinstance(payload, dict):
            raise errors.Problem(code="validation_error", values={"cause": "not_an_object"})
        canonical.encode(value=payload)
    except UnicodeDecodeError as error:
        raise _malformed(cause="encoding") from error
    except json.JSONDecodeError as error:
        raise _malformed(cause="syntax", line=error.lineno, column=error.colno) from error
    except RecursionError as error:
        raise _malformed(cause="depth", depth_max=DEPTH_MAX) from error
    except ValueError as error:
        raise _malformed(cause="value") from error
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
        raise _malformed(cause="repeated_name")
    return members


def _no_constant(_name: str) -> object:
    raise _malformed(cause="value")


def _malformed(**values: errors.Value) -> errors.Problem:
    return errors.Problem(code="malformed_json", values=values)
