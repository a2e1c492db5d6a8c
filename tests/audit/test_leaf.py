"""The sealed leaf: the same bytes for ever, for anybody."""

import datetime as dt
import types

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from audit import labels, leaf, models

NAMES = st.from_regex(leaf._NAME, fullmatch=True)
TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-leaf.INTEGER_MAX, leaf.INTEGER_MAX) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, VALUES, max_size=6))
def test_what_is_let_through_is_printed_as_rfc_8785_prints_it(details: dict[str, leaf.Json]) -> None:
    try:
        leaf.check(details)
    except ValueError:
        return
    assert leaf.canonical(details) == rfc8785.dumps(details)


def event(**changes: object) -> types.SimpleNamespace:
    columns = dict.fromkeys(leaf.FIELDS, "") | {
        "id": 7,
        "at": dt.datetime(2026, 11, 22, 18, 1, 50, 50, tzinfo=dt.UTC),
        "action": "document.issued",
        "object_type": "document",
        "object_id": "doc_1",
        "actor_kind": "user",
        "actor_id": "usr_1",
        "outcome": "ok",
        "count": 1,
        "facts": {"number": "AES-OFS-2026-0000001", "content_sha256": "ab" * 32},
        "details_digest": bytes(range(32)),
        "blind": bytes(range(16, 32)),
    }
    return types.SimpleNamespace(**(columns | changes))


def test_the_leaf_of_version_2_never_changes() -> None:
    assert leaf.encode(event()) == (
        b'{"action":"document.issued","actor_id":"usr_1","actor_kind":"user","at":"2026-11-22T18:01:50.000050Z",'
        b'"blind":"101112131415161718191a1b1c1d1e1f","channel":"","code":"","count":1,'
        b'"details_digest":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",'
        b'"facts":{"content_sha256":"abababababababababababababababababababababababababababababababab",'
        b'"number":"AES-OFS-2026-0000001"},"id":7,"key":"",'
        b'"object_id":"doc_1","object_type":"document","outcome":"ok","request_id":"","role":"","service":"","v":2}'
    )


def test_the_leaf_does_not_depend_on_the_readers_time_zone() -> None:
    there = dt.timezone(dt.timedelta(hours=-5))
    assert leaf.encode(event(at=event().at.astimezone(there))) == leaf.encode(event())


@pytest.mark.parametrize("name", leaf.FIELDS)
def test_a_change_of_any_column_changes_the_leaf(name: str) -> None:
    other: dict[str, object] = {
        "id": 8,
        "at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        "count": 2,
        "details_digest": None,
    }
    other |= {"facts": {"number": "AES-OFS-2026-0000002"}, "blind": bytes(16)}
    assert leaf.encode(event(**{name: other.get(name, "x")})) != leaf.encode(event())


def test_every_column_of_the_event_is_sealed_except_those_that_order_the_sealing() -> None:
    columns = {field.name for field in models.Event._meta.concrete_fields}
    assert columns ^ set(leaf.FIELDS) == {"xid", "incarnation"}
    assert set(leaf.Sealable.__annotations__) == set(leaf.FIELDS)
    assert set(labels.FACTS) == leaf.FACTS
