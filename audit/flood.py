"""A bound on what a flood of denials can write: the first ones of a window one by one, the rest as one count.

It only counts, in the memory of one process; `audit.denials` writes.
"""

import collections
import dataclasses
import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Sample = TypeVar("Sample")


@dataclasses.dataclass(slots=True)
class Window(Generic[Sample]):
    """The refusals of one key since `started_s` (monotonic): `single` were written at once, `counted` only counted."""

    key: Hashable
    started_s: float
    sample: Sample
    single: int = 0
    counted: int = 0


class Throttle(Generic[Sample]):
    """Windows by key, oldest first. All last equally long, so the oldest is always the next to end."""

    def __init__(
        self,
        *,
        window_s: float = 60.0,
        single_max: int = 10,
        crowd_max: int = 200,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Set the limits.

        :param single_max: how many of one key and window are written one by one.
        :param crowd_max: how many keys may be open at once; whoever comes later is counted with the crowd, so that
            a flood from many addresses fills neither the log nor the memory.
        """
        self.window_s = window_s
        self.single_max = single_max
        self.crowd_max = crowd_max
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: collections.OrderedDict[Hashable, Window[Sample]] = collections.OrderedDict()

    def admit(self, *, key: Hashable, sample: Sample, crowd: Hashable, crowd_sample: Callable[[], Sample]) -> bool:
        """Return true for a refusal that is to be written by itself; the others are counted.

        Windows do not end here: call `due` first.
        """
        with self._lock:
            window = self._windows.get(key)
            if window is None and len(self._windows) < self.crowd_max:
                window = self._open(key=key, sample=sample)
            if window is None:
                window = self._windows.get(crowd) or self._open(key=crowd, sample=crowd_sample())
                window.single = self.single_max  # of a crowd only the count is written
            if window.single < self.single_max:
                window.single += 1
                return True
            window.counted += 1
            return False

    def due(self, *, everything: bool = False) -> list[Window[Sample]]:
        """Take out the windows that have ended (or all) and return those with a count."""
        ended: list[Window[Sample]] = []
        with self._lock:
            limit_s = self._clock() - self.window_s
            while self._windows:
                window = next(iter(self._windows.values()))
                if not everything and window.started_s > limit_s:
                    break
                self._windows.popitem(last=False)
                if window.counted:
                    ended.append(window)
        return ended

    def give_back(self, *, windows: list[Window[Sample]]) -> None:
        """Put back counts that could not be written, for the next attempt."""
        with self._lock:
            for window in windows:
                open_window = self._windows.get(window.key)
                if open_window is None:
                    window.started_s, window.single = self._clock(), self.single_max
                    self._windows[window.key] = window
                else:
                    open_window.counted += window.counted

    def counted(self) -> int:
        """Return how many are counted and not yet written."""
        with self._lock:
            return sum(window.counted for window in self._windows.values())

    def clear(self) -> None:
        """Forget everything: a forked child must not write its parent's counts again."""
        self._lock = threading.Lock()  # a thread of the parent may have locked it at the fork
        self._windows.clear()

    def _open(self, *, key: Hashable, sample: Sample) -> Window[Sample]:
        """Start a key's window now."""
        window = self._windows[key] = Window(key=key, started_s=self._clock(), sample=sample)
        return window
