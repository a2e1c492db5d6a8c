"""Steps that follow each other: each begins where the one before it ended, and each is taken once. Pure."""

import itertools
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TypeVar

Place = TypeVar("Place", bound=Hashable)
StepTaken = TypeVar("StepTaken")

WAITING_MAX = 8  # steps that wait, of which every choice is tried: more of one place and moment were never seen


def trail(
    *, start: Place, steps: Sequence[StepTaken], ends: Callable[[StepTaken], tuple[Place, Place]]
) -> list[StepTaken]:
    """Return the order in which steps follow each other from a place; empty where there is none.

    `ends` says from where a step leads, and to where. Source: Hierholzer's algorithm for an Eulerian trail.
    """
    leaving: dict[Place, list[StepTaken]] = {}
    for step in reversed(steps):
        leaving.setdefault(ends(step)[0], []).append(step)
    path: list[StepTaken] = []
    stack: list[tuple[Place, StepTaken | None]] = [(start, None)]
    while stack:
        onward = leaving.get(stack[-1][0])
        if onward:
            step = onward.pop()
            stack.append((ends(step)[1], step))
        elif (done := stack.pop()[1]) is not None:
            path.append(done)
    path.reverse()
    places = [start, *(ends(step)[1] for step in path)]
    whole = len(path) == len(steps) and all(ends(step)[0] == place for step, place in zip(path, places, strict=False))
    return path if whole else []


def choices(*, waiting: Sequence[StepTaken]) -> Iterator[tuple[StepTaken, ...]]:
    """Yield every choice among steps that wait, none of them first and all of them last."""
    some = waiting[:WAITING_MAX]
    for size in range(len(some) + 1):
        yield from itertools.combinations(some, size)
