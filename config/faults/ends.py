"""Where mail and alerts arrive in a campaign: a real SMTP server that keeps files, a webhook that keeps messages."""

import http.server
import json
import pathlib
import threading
import time
import types
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from config.embedded import servers

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class KeptMail:
    """An SMTP server on a free port; every message it accepts becomes a file of `folder`, `0001.eml` and so on."""

    def __init__(self, *, folder: pathlib.Path) -> None:
        self.folder, self.port, self._count = folder, servers.free_port(), 0
        folder.mkdir(parents=True, exist_ok=True)
        hooks = types.SimpleNamespace(handle_DATA=self.accept)  # aiosmtpd's name
        self._controller = Controller(hooks, hostname="127.0.0.1", port=self.port)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._controller.stop()

    async def accept(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Keep one message before it is accepted."""
        self._count += 1
        content = envelope.original_content or b""
        (self.folder / f"{self._count:04}.eml").write_bytes(content)
        return "250 kept"


@dataclass(frozen=True, kw_only=True)
class Notification:
    """One alert as the channel got it."""

    came_at: float  # monotonic
    status: str
    code: str
    severity: str
    group: str
    since: str
    runbook_url: str


class KeptAlerts:
    """An Alertmanager-compatible webhook on a free port."""

    def __init__(self) -> None:
        self.notifications: list[Notification] = []
        self.garbled = 0
        receiver = self

        class Receiver(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.note(body=self.rfile.read(int(self.headers.get("Content-Length", 0))))
                self.wfile.write(OK)

            def log_message(self, *_arguments: Any) -> None:
                return

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="alerts", daemon=True).start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def note(self, *, body: bytes) -> None:
        """Keep what has come."""
        now = time.monotonic()
        try:
            message = json.loads(body)
            labels, alert = message["commonLabels"], message["alerts"][0]
            notification = Notification(
                came_at=now,
                status=message["status"],
                code=labels["alertname"],
                severity=labels["severity"],
                group=message["groupKey"],
                since=alert["startsAt"],
                runbook_url=alert["annotations"]["runbook_url"],
            )
        except (ValueError, LookupError, TypeError):
            self.garbled += 1
            return
        self.notifications.append(notification)

    def since(self, *, moment: float) -> list[Notification]:
        """Return what has come since a moment (monotonic)."""
        return [row for row in list(self.notifications) if row.came_at >= moment]
