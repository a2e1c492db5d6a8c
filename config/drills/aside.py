"""A dependency that is away for this process alone, while a drill looks at what is done without it.

Breakers and listeners are the drill's own meanwhile: no other process notices, and nobody is called.
"""

import contextlib
from collections.abc import Iterator

from django.conf import settings

from documents.emission import printing
from documents.resilience import breaker, calls, dependencies

HOST, PORT = "127.0.0.1", 1  # nobody listens there
NOWHERE = f"{HOST}:{PORT}"


@contextlib.contextmanager
def away(**changed: object) -> Iterator[None]:
    """Go by other settings, and by breakers of the drill's own, until the block ends."""
    breakers, listeners = dict(calls.BREAKERS), list(calls.LISTENERS)
    before = {setting: getattr(settings, setting) for setting in changed}
    calls.LISTENERS.clear()
    calls.BREAKERS.update({row: breaker.Breaker(row=dependencies.DEPENDENCIES[row]) for row in breakers})
    try:
        for setting, value in changed.items():
            setattr(settings, setting, value)
        yield
    finally:
        for setting, value in before.items():
            setattr(settings, setting, value)
        printing.forget()
        calls.BREAKERS.update(breakers)
        calls.LISTENERS.extend(listeners)


def opened(*, name: str) -> None:
    """Count failures until the drill's own breaker of a dependency opens."""
    for _ in range(dependencies.DEPENDENCIES[name].breaker_failures):
        calls.note_failure(dependency=name, cause=ConnectionRefusedError("a drill"))
