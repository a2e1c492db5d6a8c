"""Whether this process may take numbers: not between its start and the moment at which the vault was not ahead.

A database that was restored does not know that it was. The vault does, by the numbers in its keys; so a web server or a
worker that has not heard from the vault since its start takes none. Its events wait, for a process that has or for the
vault; what has been started before an outage goes on through it.
"""

import threading

AWAITED = "vault:comparison"  # what an event waits for that came to a process which does not know yet
_pending = threading.Event()


def begin() -> None:
    """Take no number in this process from now on, until `end`."""
    _pending.set()


def end() -> None:
    """Let this process take numbers: database and vault have been compared."""
    _pending.clear()


def is_pending() -> bool:
    """Tell whether this process has yet to hear from the vault."""
    return _pending.is_set()
