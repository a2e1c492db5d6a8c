"""A deadline over a whole call to S3, however many requests it makes and however slowly each byte comes.

A socket's own timeout begins anew with each byte. Here a timer shuts the socket down when the time is over: whoever
waits for it, for a head or for a body, gets an error at once, and no thread is left behind.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

from botocore.awsrequest import AWSHTTPConnection, AWSHTTPConnectionPool, AWSHTTPSConnection, AWSHTTPSConnectionPool
from botocore.httpsession import URLLib3Session


class _Call:
    """One call under way: its socket, and whether its time is over."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.over = False

    def use(self, *, connected: socket.socket | None) -> None:
        """Take note of the socket that is waited for from now on.

        :raises TimeoutError: the time is over
        """
        with self._lock:
            self._socket = connected
            if self.over:
                raise TimeoutError("the deadline of the whole call is over")

    def end(self) -> None:
        """Shut down what is waited for; what comes after it is refused."""
        with self._lock:
            self.over = True
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)


class _Current(threading.local):
    """The call that this thread is making."""

    call: _Call | None = None


_current = _Current()


@contextlib.contextmanager
def within(*, seconds: float) -> Iterator[None]:
    """Give all requests of the block so many seconds together; a block within a block does not prolong it.

    :raises TimeoutError: they took longer, whatever came of them
    """
    if _current.call is not None:
        yield
        return
    call = _current.call = _Call()
    timer = threading.Timer(seconds, call.end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        _current.call = None
        if call.over:  # half an answer may look like a whole one
            raise TimeoutError("the deadline of the whole call is over")


def _use(*, connected: Any) -> None:
    if _current.call is not None:
        _current.call.use(connected=connected)


class _Connection(AWSHTTPConnection):
    """A connection that tells the call under way which socket it waits for."""

    def connect(self) -> None:
        """Connect, and be watched from then on."""
        super().connect()
        _use(connected=self.sock)

    def request(self, *arguments: Any, **options: Any) -> None:
        """Send a request on a socket that may have been used before."""
        _use(connected=self.sock)
        super().request(*arguments, **options)


class _SecureConnection(_Connection, AWSHTTPSConnection): ...


class _Pool(AWSHTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(AWSHTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class Session(URLLib3Session):
    """Botocore's own HTTP session over connections that are watched."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        self._manager.pool_classes_by_scheme = self._pool_classes_by_scheme
