"""Where mail goes out: one conversation with a server under a deadline, or a folder as mailbox.

The folder (`MAIL_URL=file:///...`) is for the demo and for tests: one `.eml` file a message.
"""

import contextlib
import itertools
import math
import os
import pathlib
import re
import secrets
import smtplib
import socket
import threading
import time
from collections.abc import Sequence
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import mail
from django.core.mail import EmailMessage
from django.core.mail.backends import smtp
from django.core.mail.backends.base import BaseEmailBackend

from documents.resilience import dependencies

COPIES_MAX = 1000
REFUSED_SMTP = 500
DJANGO_SMTP = "django.core.mail.backends.smtp.EmailBackend"


class EmlFolder(BaseEmailBackend):
    """Django's mail backend for `MAIL_URL=file:///folder`.

    A file is named by its Message-ID and never replaced: a message sent again after a crash lies beside the first one
    as `name.2.eml`, where it can be counted.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.folder = pathlib.Path(str(settings.EMAIL_FILE_PATH))

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Write each message to its own file and return how many there were.

        :raises OSError: when the folder cannot be written; nothing half-written is ever visible.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for email in email_messages:
            self._write(message=email.message())
        return len(email_messages)

    def _write(self, *, message: Message) -> None:
        temporary = self.folder / f".{secrets.token_hex(8)}.part"
        try:
            with temporary.open("xb") as file:
                file.write(message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
                file.flush()
                os.fsync(file.fileno())
            self._link(temporary=temporary, stem=_stem(message_id=str(message["Message-ID"])))
        finally:
            temporary.unlink(missing_ok=True)

    def _link(self, *, temporary: pathlib.Path, stem: str) -> None:
        for copy in itertools.count(1):
            name = f"{stem}.eml" if copy == 1 else f"{stem}.{copy}.eml"
            try:
                (self.folder / name).hardlink_to(temporary)
            except FileExistsError:
                if copy >= COPIES_MAX:
                    raise
            else:
                return


def _stem(*, message_id: str) -> str:
    """Return the part of a Message-ID before the `@`, as a file name."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", message_id.strip("<> ").partition("@")[0]).lstrip(".")[:100] or "message"


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

    def end(self) -> None:
        """Watch nothing any more."""
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


def hand_over(*, message: EmailMessage) -> None:
    """Give one message to the mail server within the limits of the outside table's row `mail`.

    Each step has a timeout, and the whole conversation, greeting included, a deadline: a server that answers a byte at
    a time is cut off.

    :raises OSError: no answer, or not in time.
    :raises smtplib.SMTPException: an answer that is no acceptance.
    """
    limits = dependencies.DEPENDENCIES["mail"]
    over_smtp = settings.EMAIL_BACKEND == DJANGO_SMTP
    connection: Any = Smtp(timeout=limits.connect_s) if over_smtp else mail.get_connection(timeout=limits.connect_s)
    _deadline.ends = time.monotonic() + limits.total_s
    try:
        connection.open()
        open_socket = getattr(getattr(connection, "connection", None), "sock", None)
        if open_socket is not None:
            open_socket.settimeout(limits.total_s)
        connection.send_messages([message])
    finally:
        # The message has been accepted or refused by now. An error while closing changes nothing, and must not make it
        # go out a second time.
        with contextlib.suppress(OSError, smtplib.SMTPException):
            connection.close()
        _deadline.end()


def for_good(*, refusal: smtplib.SMTPException) -> bool:
    """Return whether the recipient was refused for ever; a refused sender is our own fault."""
    if isinstance(refusal, smtplib.SMTPRecipientsRefused):
        return all(code >= REFUSED_SMTP for code, _text in refusal.recipients.values())
    return isinstance(refusal, smtplib.SMTPDataError) and refusal.smtp_code >= REFUSED_SMTP


def message_id(*, reference: str) -> str:
    """Return the Message-ID of a mail, from the public id of its row: the same at every try."""
    return f"<{reference}@{urlsplit(settings.PUBLIC_URL).hostname or 'localhost'}>"


def _cut(connection: socket.socket) -> None:
    """End a conversation whose deadline has passed."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
