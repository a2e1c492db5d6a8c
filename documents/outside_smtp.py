"""The one client for SMTP to the outside: a deadline over the whole conversation, from its greeting on.

Each step of it has a time limit of its own, which a server that answers a byte at a time never meets.
"""

import contextlib
import math
import smtplib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core import mail
from django.core.mail import EmailMessage
from django.core.mail.backends import smtp

DJANGO_SMTP = "django.core.mail.backends.smtp.EmailBackend"


def hand_over(*, message: EmailMessage, connect_s: float, total_s: float) -> None:
    """Give one message to the server of `MAIL_URL`, or to the backend that stands for it.

    :raises OSError: no answer, or not in time.
    :raises smtplib.SMTPException: an answer that is no acceptance.
    """
    over_smtp = settings.EMAIL_BACKEND == DJANGO_SMTP
    connection: Any = Smtp(timeout=connect_s) if over_smtp else mail.get_connection(timeout=connect_s)
    with _deadline.within(total_s=total_s):
        try:
            connection.open()
            open_socket = getattr(getattr(connection, "connection", None), "sock", None)
            if open_socket is not None:
                open_socket.settimeout(total_s)
            connection.send_messages([message])
        finally:
            # The message has been accepted or refused by now. An error while closing changes nothing, and must not make
            # it go out a second time.
            with contextlib.suppress(OSError, smtplib.SMTPException):
                connection.close()


def greet(*, total_s: float) -> None:
    """Ask the server of `MAIL_URL` whether it speaks: its greeting, and what it can do. Nothing is sent.

    :raises OSError: no answer, or not in time.
    :raises smtplib.SMTPException: an answer that is no greeting.
    """
    speak = Smtp().connection_class
    host, port = str(settings.EMAIL_HOST), int(settings.EMAIL_PORT)
    with _deadline.within(total_s=total_s), speak(host, port, timeout=total_s) as client:
        client.ehlo_or_helo_if_needed()


class _Deadline(threading.local):
    """The end of the conversation that this thread has, and the connection that is shut down then."""

    def __init__(self) -> None:
        self.ends = math.inf  # monotonic
        self.watched: list[tuple[socket.socket, threading.Timer]] = []

    def watch(self, *, connection: socket.socket) -> None:
        """Shut a connection down once the time is over."""
        if math.isinf(self.ends):
            connection.close()
            return
        timer = threading.Timer(max(0.0, self.ends - time.monotonic()), _cut, args=[connection])
        timer.daemon = True
        timer.start()
        self.watched.append((connection, timer))

    @contextlib.contextmanager
    def within(self, *, total_s: float) -> Iterator[None]:
        """Watch the connections that this thread opens meanwhile."""
        self.ends = time.monotonic() + total_s
        try:
            yield
        finally:
            self.ends = math.inf
            while self.watched:
                connection, timer = self.watched.pop()
                timer.cancel()
                connection.close()


_deadline = _Deadline()
_CONNECT = vars(smtplib.SMTP)["_get_socket"]  # smtplib's own hook for it


class _Watched(smtplib.SMTP):
    """SMTP whose connection is shut down when the time of the whole conversation is over.

    The second descriptor of the connection is ours: it stays when encryption takes the first one over.
    """

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        opened: socket.socket = _CONNECT(self, host, port, timeout)
        _deadline.watch(connection=opened.dup())
        return opened


class _WatchedFromTheFirstByte(smtplib.SMTP_SSL, _Watched): ...


class Smtp(smtp.EmailBackend):
    """Django's SMTP backend over watched connections."""

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        """Return what speaks to the server."""
        return _WatchedFromTheFirstByte if self.use_ssl else _Watched


def _cut(connection: socket.socket) -> None:
    """End a conversation whose deadline has passed."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
