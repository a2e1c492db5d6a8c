"""Progress of long work: a bar with rate and time left on a terminal, one JSON line a second elsewhere."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

EVERY_S = 1.0


class Step(Protocol):
    """A function that reports `done` more parts as done; `note` is shown beside the bar."""

    def __call__(self, *, done: int = 1, note: str = "") -> None:
        """Move the bar."""


@contextmanager
def progress(*, label: str, total: int, stream: TextIO | None = None) -> Iterator[Step]:
    """Show how far a piece of work of `total` parts is, until the block ends."""
    stream = stream or sys.stderr
    if stream.isatty():
        yield from _bar(label=label, total=total, stream=stream)
    else:
        yield from _lines(label=label, total=total, stream=stream)


def _bar(*, label: str, total: int, stream: TextIO) -> Iterator[Step]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
    )
    with Progress(
        *columns, TimeRemainingColumn(), TextColumn("{task.fields[note]}"), console=Console(file=stream)
    ) as bar:
        task = bar.add_task(label, total=total, note="")

        def step(*, done: int = 1, note: str = "") -> None:
            bar.update(task, advance=done, note=note)

        yield step


def _lines(*, label: str, total: int, stream: TextIO) -> Iterator[Step]:
    began = last = time.monotonic()
    count = 0

    def write(note: str) -> None:
        spent_s = time.monotonic() - began
        rate = count / spent_s if spent_s else 0.0
        left_s = round((total - count) / rate, 1) if rate else None
        line = {
            "progress": label,
            "done": count,
            "total": total,
            "rate_per_s": round(rate, 1),
            "eta_s": left_s,
            "note": note,
        }
        stream.write(json.dumps(line, ensure_ascii=False) + "\n")
        stream.flush()

    def step(*, done: int = 1, note: str = "") -> None:
        nonlocal count, last
        count += done
        if time.monotonic() - last >= EVERY_S:
            last = time.monotonic()
            write(note)

    try:
        yield step
    finally:
        write("end")
