"""How a cell's fault is made: a mode of the proxy, a flap, a lever, or a hand at the renderer's processes."""

import contextlib
import functools
import itertools
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import psutil

from config.faults import cells, knocks, levers, stack
from config.faults.cells import Way
from config.faults.proxy import Mode

CHILD = "documents.rendering.child"
HAND_EVERY_S, ROOM_BYTES = 0.05, 1024 * 1024  # less than it has: it gets no more
FAR_S, NEAR_S, DRIFT = 90.0, 30.0, 2.0  # seconds; the last one a second
CLOCKS = {Way.JUMP: NEAR_S, Way.JUMP_FAR: FAR_S, Way.JUMP_BACK: -FAR_S}


@contextlib.contextmanager
def failing(*, cell: cells.FaultCell, stack: stack.FaultStack) -> Iterator[None]:
    """Let what the cell names fail until the block ends, whatever ends it."""
    with contextlib.ExitStack() as ends:
        if isinstance(cell.way, Mode):
            for name in cell.rows:
                ends.callback(stack.faults.switch, name=name, mode=Mode.WELL)
                stack.faults.switch(name=name, mode=cell.way)
            if cell.way is Mode.UNREACHABLE:
                ports = {stack.faults.ports[name].number for name in cell.rows}
                look = functools.partial(stack.knocking.look, ports=ports)
                ends.enter_context(_again(look, every_s=knocks.LOOK_EVERY_S, name="knocks"))
        elif cell.way in {Way.FLAP, Way.FLAP_AT_PAUSE}:
            for name in cell.rows:
                ends.callback(stack.faults.switch, name=name, mode=Mode.WELL)
            pause_s = cells.FLAP_S if cell.way is Way.FLAP else cell.limits.breaker_open_s
            turns = itertools.cycle((Mode.REFUSE, Mode.WELL))
            ends.enter_context(_again(lambda: _flap(cell, stack, next(turns)), every_s=pause_s, name="flap"))
        elif cell.row == "renderer" and cell.way is not Way.WRONG_BYTES:
            ends.callback(_release, stack)
            ends.enter_context(_again(lambda: _lay_hands_on(cell.way, stack), every_s=HAND_EVERY_S, name="hand"))
        else:
            ends.callback(levers.pull, folder=stack.folder, now=levers.LeverOrders())
            levers.pull(folder=stack.folder, now=_orders(cell.way))
        yield


def _flap(cell: cells.FaultCell, stack: stack.FaultStack, mode: Mode) -> None:
    for name in cell.rows:
        stack.faults.switch(name=name, mode=mode)


def _orders(way: Mode | Way) -> levers.LeverOrders:
    if way is Way.WRONG_BYTES:
        return levers.LeverOrders(other_document=True)
    if way is Way.DRIFT:
        return levers.LeverOrders(drift=DRIFT, since=time.monotonic())
    return levers.LeverOrders(jump_s=CLOCKS[Way(way)])


@contextlib.contextmanager
def _again(work: Callable[[], object], *, every_s: float, name: str) -> Iterator[None]:
    """Do something again and again beside the block."""
    ended = threading.Event()

    def turn() -> None:
        while not ended.is_set():
            work()
            ended.wait(every_s)

    thread = threading.Thread(target=turn, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=10)


def _children(stack: stack.FaultStack) -> Sequence[psutil.Process]:
    """Return the renderers of all processes of the stack, without the starting ones that are not yet renderers."""
    known = []
    for pid in stack.pids().values():
        with contextlib.suppress(psutil.Error):
            for process in psutil.Process(pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if CHILD in process.cmdline():
                        known.append(process)
    return known


def _lay_hands_on(way: Mode | Way, stack: stack.FaultStack) -> None:
    for process in _children(stack):
        with contextlib.suppress(psutil.Error, OSError, ValueError):
            if way is Way.CRASH:
                process.kill()
            elif way is Way.HANG:
                process.send_signal(signal.SIGSTOP)
            elif process.rlimit(resource.RLIMIT_FSIZE)[0] == 0:  # it is warm and has limits of its own
                process.rlimit(resource.RLIMIT_AS, (ROOM_BYTES, ROOM_BYTES))


def _release(stack: stack.FaultStack) -> None:
    """Let stopped renderers go on."""
    for process in _children(stack):
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal.SIGCONT)
