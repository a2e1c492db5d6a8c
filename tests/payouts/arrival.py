"""In which orders the facts of a story are told: a few in every run, all of them with `ORDERS=all` (`make orders`)."""

import itertools
from collections.abc import Sequence
from typing import TypeVar

from config import env

Told = TypeVar("Told")


def orders(facts: Sequence[Told]) -> list[tuple[Told, ...]]:
    """Return orders in which each fact comes first once, so that of any two each comes before the other."""
    if _all():
        return list(itertools.permutations(facts))
    return [_beginning(facts, place=place) for place in range(len(facts))]


def _beginning(facts: Sequence[Told], *, place: int) -> tuple[Told, ...]:
    """Return the facts from one place on and round, forwards or backwards in turn."""
    step = 1 if place % 2 == 0 else -1
    return tuple(facts[(place + step * further) % len(facts)] for further in range(len(facts)))


def shuffles(number: int) -> range:
    """Return the seeds by which a story of many facts is shuffled: the first, which leave it as it is, and two more."""
    return range(number if _all() else min(number, 3))


def _all() -> bool:
    return env.text(name="ORDERS") == "all"
