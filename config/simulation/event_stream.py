"""A stream of events as a marketplace sends them, drawn from a seed: rides in Spain, deliveries, food in Colombia.

A stream names the documents that must come of it; see `scenario`.
"""

import dataclasses
import datetime as dt
import random
from collections.abc import Iterator

from config.simulation import markets, scenario
from config.simulation.event_parts import EventBody

REPEATED_SHARE = 0.1
# How often each of these happens, of all the times that it could.
CHANCES = {"a week": 0.6, "a customer": 0.9, "another event id": 0.3}
NEIGHBOURHOOD = 60  # how many places an event may travel when the stream is shuffled


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stream:
    """`events` in the order of sending, repeats among them; `keys`: the documents that must exist in the end, once."""

    events: list[EventBody]
    keys: frozenset[str]


def draw(*, seed: int, count: int, shuffled: bool = True) -> Stream:
    """Draw exactly `count` events, a tenth of them repeats; the same for the same seed.

    Shuffled, an event may come before what it needs.
    """
    dice = random.Random(seed)  # noqa: S311 - reproducible, protects nothing
    happened = scenario.Scenario(random=dice, run=f"s{seed}")
    distinct = count - int(count * REPEATED_SHARE)
    moment = scenario.START
    while len(happened.events) < distinct:
        moment += dt.timedelta(minutes=dice.randint(1, 30))
        market, room = dice.choice(markets.MARKETS), distinct - len(happened.events)
        if room >= scenario.WEEK_EVENTS_MAX and dice.random() < CHANCES["a week"]:
            happened.week(market=market, moment=moment)
        elif room >= scenario.CUSTOMER_EVENTS_MAX and dice.random() < CHANCES["a customer"]:
            happened.customer(market=market, moment=moment)
        else:
            happened.unknown_type(market=market, moment=moment)
    events = list(happened.events)
    events += [
        _repeated(dice.choice(happened.events), dice=dice, number=number) for number in range(count - len(events))
    ]
    if shuffled:
        events = [event for _, event in sorted(_scattered(events, dice), key=lambda pair: pair[0])]
    return Stream(events=events, keys=frozenset(happened.keys))


def _repeated(event: EventBody, *, dice: random.Random, number: int) -> EventBody:
    """Return an event again: the very same one, or the same data under another event id."""
    another_id = dice.random() < CHANCES["another event id"]
    return event | {"id": f"{event['id']}_again{number}"} if another_id else event


def _scattered(events: list[EventBody], dice: random.Random) -> Iterator[tuple[float, EventBody]]:
    for place, event in enumerate(events):
        yield place + dice.uniform(0, NEIGHBOURHOOD), event
