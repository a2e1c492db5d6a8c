"""Levers in the processes of a campaign: a clock that can be moved, a renderer that answers with another document.

They are pulled by a file, `orders.json` in the folder FAULT_ORDERS. Nothing of this is loaded in any other process.
"""

import dataclasses
import datetime as dt
import json
import pathlib
import threading
import time
from typing import Any

from django.apps import AppConfig
from django.utils import timezone

from config import env
from config.faults import plants

FOLDER, FILE = "FAULT_ORDERS", "orders.json"
PLANTED, QUICK = "FAULT_PLANTED", "FAULT_QUICK"
STEADY_S = 1.0  # how soon an incident is over in a sample
READ_EVERY_S = 0.1
SOON = dt.timedelta(seconds=2)


@dataclasses.dataclass(kw_only=True)
class LeverOrders:
    """What the levers do: seconds by which the clock is moved, and drifts a second since a monotonic moment."""

    jump_s: float = 0.0
    drift: float = 0.0
    since: float = 0.0
    other_document: bool = False
    canary: bool = False  # the full probe is due every few seconds, and not once a day
    planted: str = ""  # the row whose fallback is taken out, for as long as the process lives

    def moved_s(self) -> float:
        """Return how far the clock is from the machine's at this moment."""
        return self.jump_s + (self.drift * (time.monotonic() - self.since) if self.drift else 0.0)


orders = LeverOrders()


def pull(*, folder: pathlib.Path, now: LeverOrders) -> None:
    """Give orders to all processes of a campaign, which follow within READ_EVERY_S."""
    temporary = folder / f"{FILE}.new"
    temporary.write_text(json.dumps(dataclasses.asdict(now)), encoding="utf-8")
    temporary.replace(folder / FILE)


class LeversConfig(AppConfig):
    """Puts the levers in place once the product is loaded."""

    name, label = "config.faults", "faults"

    def ready(self) -> None:
        """Move what is to be moved, plant what is to be planted, and listen for orders."""
        _move_clock()
        _mix_up_documents()
        _shorten()
        plants.plant(name=env.text(name=PLANTED))
        threading.Thread(target=_follow, name="levers", daemon=True).start()


def _follow() -> None:
    """Read the orders again and again."""
    from documents.vault import full_probe, probes

    path, read = pathlib.Path(env.text(name=FOLDER)) / FILE, ""
    while True:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if text and text != read:
            read = text
            for name, value in json.loads(text).items():
                setattr(orders, name, value)
            plants.plant(name=orders.planted)
            full_probe.DUE_EVERY = SOON if orders.canary else probes.DUE_EVERY
        time.sleep(READ_EVERY_S)


def _move_clock() -> None:
    real_time, real_now = time.time, timezone.now

    def moved_time() -> float:
        return real_time() + orders.moved_s()

    def moved_now() -> dt.datetime:
        return real_now() + dt.timedelta(seconds=orders.moved_s())

    plants.put(where=time, name="time", value=moved_time)
    plants.put(where=timezone, name="now", value=moved_now)


def _mix_up_documents() -> None:
    """Let the renderer answer, when it is asked to, with the first document that this process has had printed."""
    from documents.rendering import pool

    first: list[bytes] = []
    render = pool.Child.render

    def mixed_up(self: pool.Child, *, job: dict[str, Any], logo: bytes, lines: int) -> tuple[dict[str, Any], bytes]:
        header, pdf = render(self, job=job, logo=logo, lines=lines)
        if not first:
            first.append(pdf)
        return header, first[0] if orders.other_document else pdf

    plants.put(where=pool.Child, name="render", value=mixed_up)


def _shorten() -> None:
    """Let an incident end sooner in a sample."""
    from documents.resilience import calls

    if env.text(name=QUICK):
        for known in calls.BREAKERS.values():
            known.row = dataclasses.replace(known.row, steady_s=STEADY_S)
