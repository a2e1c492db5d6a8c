"""Where mail goes out: to the server, under the outside table's limits, or into a folder as mailbox.

The folder (`MAIL_URL=file:///...`) is for the demo and for tests: one `.eml` file a message.
"""

import itertools
import os
import pathlib
import re
import secrets
import smtplib
from collections.abc import Sequence
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from documents import outside_smtp
from documents.resilience import dependencies

COPIES_MAX = 1000
REFUSED_SMTP = 500


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


def hand_over(*, message: EmailMessage) -> None:
    """Give one message to the mail server within the limits of the outside table's row `mail`.

    :raises OSError: no answer, or not in time.
    :raises smtplib.SMTPException: an answer that is no acceptance.
    """
    limits = dependencies.DEPENDENCIES["mail"]
    outside_smtp.hand_over(message=message, connect_s=limits.connect_s, total_s=limits.total_s)


def for_good(*, refusal: smtplib.SMTPException) -> bool:
    """Return whether the recipient was refused for ever; a refused sender is our own fault."""
    if isinstance(refusal, smtplib.SMTPRecipientsRefused):
        return all(code >= REFUSED_SMTP for code, _text in refusal.recipients.values())
    return isinstance(refusal, smtplib.SMTPDataError) and refusal.smtp_code >= REFUSED_SMTP


def message_id(*, reference: str) -> str:
    """Return the Message-ID of a mail, from the public id of its row: the same at every try."""
    return f"<{reference}@{urlsplit(settings.PUBLIC_URL).hostname or 'localhost'}>"
