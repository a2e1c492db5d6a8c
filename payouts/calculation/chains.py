"""The order of a payee's payouts in the chain of balances, and where it breaks. Pure.

Each payout opens with what the one before it closed with. A payout that replaces another has the other's place; those
of one moment follow each other as their balances do, and by their ids where those contradict each other.
"""

import datetime as dt
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from payouts.calculation import trails


@dataclass(frozen=True, kw_only=True)
class BalanceLink:
    """One payout of a chain; `place` is when it was sent and its id, or those of the payout that it replaces."""

    payout: str
    place: tuple[dt.datetime, str]
    opening_minor: int
    closing_minor: int


@dataclass(frozen=True, kw_only=True)
class Break:
    """A payout that does not open with what the one before it left; `before` is None for the first of a chain."""

    before: BalanceLink | None
    after: BalanceLink

    @property
    def left_minor(self) -> int:
        """Return the balance with which the payout should have opened."""
        return self.before.closing_minor if self.before else 0


def ordered(*, links: Iterable[BalanceLink], opening_minor: int = 0) -> list[BalanceLink]:
    """Return the links as they follow each other, one a place; `opening_minor` is the balance before the first."""
    places = {link.place: link for link in sorted(links, key=lambda link: (link.place, link.payout))}
    chain: list[BalanceLink] = []
    for _, batch in itertools.groupby(places.values(), key=lambda link: link.place[0]):
        members = list(batch)
        start = chain[-1].closing_minor if chain else opening_minor
        chain += follows(opening_minor=start, links=members) or members
    return chain


def follows(*, opening_minor: int, links: Sequence[BalanceLink]) -> list[BalanceLink]:
    """Return the order in which links follow each other from a balance, each once; empty where there is none."""
    return trails.trail(start=opening_minor, steps=links, ends=lambda link: (link.opening_minor, link.closing_minor))


def fits(*, opening_minor: int, links: Sequence[BalanceLink], waiting: Iterable[BalanceLink] = ()) -> bool:
    """Tell whether links of one moment follow each other from a balance, alone or with some of those that wait."""
    choices = trails.choices(waiting=[*waiting])
    return any(follows(opening_minor=opening_minor, links=[*links, *some]) for some in choices)


def breaks(*, links: Iterable[BalanceLink], opening_minor: int = 0) -> list[Break]:
    """Return where the chain of these links breaks, each time by the payout that does not open as it should."""
    chain = ordered(links=links, opening_minor=opening_minor)
    broken = []
    before: BalanceLink | None = None
    for link in chain:
        if link.opening_minor != (before.closing_minor if before else opening_minor):
            broken.append(Break(before=before, after=link))
        before = link
    return broken
