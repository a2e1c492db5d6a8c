"""A real SMTP server on a free port, which can also behave badly on demand."""

import email
import email.message
import email.policy
import time

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from config.embedded import servers

ACCEPTED = "250 OK"


class Mailbox:
    """Collects what it accepts. `answer` is its reply to every message, `delay_s` how long it thinks before."""

    def __init__(self) -> None:
        """Nothing listens yet."""
        self.port = servers.free_port()
        self.messages: list[email.message.EmailMessage] = []
        self.envelopes: list[Envelope] = []
        self.answer = ACCEPTED
        self.delay_s = 0.0
        self._controller: Controller | None = None

    @property
    def url(self) -> str:
        """What MAIL_URL would say."""
        return f"smtp://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen, again on the same port after `stop`."""
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    def stop(self) -> None:
        """Refuse connections from now on."""
        if self._controller:
            self._controller.stop()
            self._controller = None

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep one message, unless the answer is a refusal."""
        if self.delay_s:
            time.sleep(self.delay_s)  # noqa: ASYNC251 - a server that hangs, on its own thread and loop
        if self.answer == ACCEPTED:
            self.envelopes.append(envelope)
            message = email.message_from_bytes(envelope.original_content or b"", policy=email.policy.SMTPUTF8)
            self.messages.append(message)
        return self.answer
