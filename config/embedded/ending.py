"""How a command ends: it heeds signals, and a failure that the operator can mend becomes one sentence."""

import contextlib
import io
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

import psycopg

from config.embedded import machine

INTERRUPTED = 130  # the exit code of a command that Ctrl-C ended, as shells have it
# SQLSTATE: a table or column that only provisioning makes, a right that only provisioning gives.
NOT_PROVISIONED = frozenset({"42P01", "42703", "42501"})
# SQLSTATE classes: no connection, wrong password, no such database, the server is going down.
NO_DATABASE = frozenset({"08", "28", "3D", "57P"})


def heed_signals() -> None:
    """Make this process end in order on a signal, so that it leaves no server and no file.

    Ctrl-C raises KeyboardInterrupt even where a shell has started us in the background with SIGINT ignored: web server
    and worker heed it there as well, and one of the two alone is no use. SIGTERM and a closed terminal raise
    SystemExit; but what `nohup` ignores stays ignored, and whoever handles a signal already keeps it.
    """
    if threading.current_thread() is not threading.main_thread():
        return

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if signal.getsignal(signal.SIGINT) in {signal.SIG_IGN, signal.SIG_DFL}:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGTERM) in {signal.SIG_IGN, signal.SIG_DFL}:
        signal.signal(signal.SIGTERM, leave)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, leave)


def speak_anywhere() -> None:
    """Show a character that the terminal's encoding lacks by its number: what is said must end no command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Heed a signal that comes within the block after it: whoever presses Ctrl-C twice interrupts no end in order."""
    came: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    main = threading.current_thread() is threading.main_thread()  # only there may a handler be set
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if main else ()
    before = {number: signal.getsignal(number) for number in numbers}
    heeded = [number for number, handler in before.items() if callable(handler)]
    for number in heeded:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, before[number])
        if came:
            signal.raise_signal(came[0])


@contextlib.contextmanager
def in_a_sentence() -> Iterator[None]:
    """End with a sentence for what the operator can mend, with the traceback for a defect (or with --traceback)."""
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except Exception as error:
        sentence = _sentence(error=error)
        if not sentence or "--traceback" in sys.argv:
            raise
        raise SystemExit(f"billing-docs: {sentence}") from error


def _gist(*, text: str) -> str:
    """Return the first line of what PostgreSQL or its client said; of several hosts, what each of them said."""
    lines = text.splitlines() or [""]
    return "; ".join(line[2:] for line in lines if line.startswith("- host: ")) or lines[0]


def _sentence(*, error: BaseException) -> str:
    """Return what is wrong and how to mend it, empty where that is not known: Django wraps what psycopg raised."""
    if mend := getattr(error, "mend", ""):
        return f"{error}: {mend}"
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, psycopg.Error | machine.NotStartedError):
        cause = cause.__cause__ or cause.__context__
    text = str(cause).strip()
    if isinstance(cause, machine.NotStartedError):
        return text
    state = cause.sqlstate or "" if isinstance(cause, psycopg.Error) else ""
    first = _gist(text=text)
    if state in NOT_PROVISIONED:
        return f"the database is not provisioned ({first}): make manage ARGS=provision"
    if (isinstance(cause, psycopg.OperationalError) and not state) or {state[:2], state[:3]} & NO_DATABASE:
        return f"the database cannot be used ({first}): start it, or mend DATABASE_URL and DATABASE_OWNER_URL"
    return ""
