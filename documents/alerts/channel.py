"""The one real channel of the alerts: an Alertmanager-compatible webhook (`https:`) or a mailbox (`mailto:`)."""

import hashlib
import json
import smtplib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.core.mail import EmailMessage

from documents import outside_http, outside_smtp
from documents.alerts import catalog
from documents.alerts.incidents import Incident
from documents.models import Alert
from documents.resilience import calls, dependencies
from documents.sentences import writing

ROW = dependencies.DEPENDENCIES["alert_channel"]
CONNECT_S, TOTAL_S = ROW.connect_s, ROW.total_s
RETRY_AFTER_MAX_S = 3600.0
LISTENING = frozenset({HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})  # to HEAD: a door that takes POST
LANGUAGES = ("es", "en")  # of a message: Spanish first
SUMMARY_LENGTH_MAX = 160
ALERTS_PATH = "/admin/documents/alert/"  # written out, as `runbook_path`
NOT_YET = "0001-01-01T00:00:00Z"  # how Alertmanager writes "has not ended"


class Unavailable(OSError):
    """The channel does not take it: 4xx (`refused`), 5xx, or no HTTP; `retry_after_s` is what it asked for, or 0.

    A 4xx is tried again too: who mends the channel's address or its key mends it at the channel, not here.
    """

    def __init__(self, *, answer: str, retry_after_s: float = 0.0, refused: bool = False) -> None:
        self.retry_after_s, self.refused = retry_after_s, refused
        super().__init__(answer)


@dataclass(frozen=True, kw_only=True)
class AlertMessage:
    """One alert as it is sent; messages about one incident carry one group key."""

    code: str
    severity: str
    dedup_key: str
    values: Mapping[str, object]
    object_id: str
    runbook_url: str
    opened_at: datetime
    resolved_at: datetime | None
    public_id: str = ""  # of its row; empty of one that could not be written yet

    @classmethod
    def of(
        cls, *, incident: Incident | Alert, runbook: str, opened_at: datetime, resolved_at: datetime | None = None
    ) -> "AlertMessage":
        """Make the message of an incident, or of the row of one."""
        return cls(
            code=incident.code,
            severity=incident.severity,
            dedup_key=incident.dedup_key,
            values=incident.values,
            object_id=incident.object_id,
            runbook_url=runbook_url(runbook=runbook),
            opened_at=opened_at,
            resolved_at=resolved_at,
            public_id=incident.public_id if isinstance(incident, Alert) else "",
        )

    @property
    def status(self) -> str:
        """Either `firing` or `resolved`."""
        return "resolved" if self.resolved_at else "firing"

    @property
    def summary(self) -> str:
        """Return what is wrong in one line, in Spanish: what a phone shows of it."""
        said = " ".join(sentence(alert=self, language=LANGUAGES[0]).split())
        return f"{self.code}: {said}"[:SUMMARY_LENGTH_MAX]

    @property
    def page_url(self) -> str:
        """Return where the Document Center shows it, and takes that somebody has it."""
        path = ALERTS_PATH + (f"{self.public_id}/" if self.public_id else "")
        return settings.PUBLIC_URL + path

    def as_webhook(self) -> dict[str, object]:
        """Return Alertmanager's webhook body, version 4."""
        row = catalog.ALERTS.get(self.code)
        labels = {
            "alertname": self.code,
            "severity": self.severity,
            "service": "billing-docs",
            "object": self.object_id,
            "owner": row.owner if row else "",
        }
        annotations = {
            "summary": self.summary,
            "description": " / ".join(sentence(alert=self, language=language) for language in LANGUAGES),
            "fallback": " / ".join(
                filter(None, (meanwhile(code=self.code, language=language) for language in LANGUAGES))
            ),
            "runbook_url": self.runbook_url,
        }
        alert = {
            "status": self.status,
            "labels": labels,
            "annotations": annotations,
            "startsAt": self.opened_at.isoformat(),
            "endsAt": self.resolved_at.isoformat() if self.resolved_at else NOT_YET,
            "generatorURL": self.page_url,
            "fingerprint": self.dedup_key,
        }
        return {
            "version": "4",
            "groupKey": self.dedup_key,
            "truncatedAlerts": 0,
            "status": self.status,
            "receiver": "billing-docs",
            "groupLabels": {"alertname": self.code},
            "commonLabels": labels,
            "commonAnnotations": annotations,
            "externalURL": settings.PUBLIC_URL,
            "alerts": [alert],
        }

    def as_text(self) -> str:
        """Return the mail's body, Spanish first."""
        state = "RESUELTA / RESOLVED" if self.resolved_at else "ABIERTA / OPEN"
        ended = f"Hasta / Until: {self.resolved_at.isoformat(timespec='seconds')}\n" if self.resolved_at else ""
        said = "\n".join(sentence(alert=self, language=language) for language in LANGUAGES)
        fallback = " / ".join(filter(None, (meanwhile(code=self.code, language=language) for language in LANGUAGES)))
        return (
            f"{self.severity} {self.code}: {state}\n\n{said}\n\n"
            f"Mientras tanto / Meanwhile: {fallback or '-'}\nObjeto / Object: {self.object_id or '-'}\n"
            f"Desde / Since: {self.opened_at.isoformat(timespec='seconds')}\n{ended}"
            f"Guía / Runbook: {self.runbook_url}\n"
            f"Alerta / Alert: {self.page_url}\n"
        )


def sentence(*, alert: AlertMessage | Alert, language: str) -> str:
    """Return what an alert says, in "es" or "en"; of one from an earlier version, what that version wrote.

    A failure that has a sentence of its own adds it: which file, or which template.
    """
    if "text" in alert.values:
        return str(alert.values["text"])
    row = catalog.ALERTS.get(alert.code)
    if row is None:
        return writing.title(code=alert.code, language=language)
    said = writing.chosen(sentences=row.sentences, values=alert.values, language=language) or alert.code
    if not writing.has_own(code=alert.code, values=alert.values):
        return said
    return f"{said} {writing.sentence(code=alert.code, values=alert.values, language=language)}"


def meanwhile(*, code: str, language: str) -> str:
    """Return what happens until an alert is over, empty where nothing is known of that."""
    row = catalog.ALERTS.get(code)
    if row is None or row.meanwhile is None:
        return ""
    return row.meanwhile.en if language == "en" else row.meanwhile.es


def runbook_path(*, runbook: str) -> str:
    """Turn `docs/runbooks/worm.md#code` into the path where this service shows that page.

    It is the route `runbook`, written out: an alert must be sent even where the URL table cannot be loaded.
    """
    page, _, anchor = runbook.removeprefix("docs/runbooks/").partition("#")
    return f"/runbooks/{page.removesuffix('.md')}/" + (f"#{anchor}" if anchor else "")


def runbook_url(*, runbook: str) -> str:
    """Return the full address of a runbook, for a mail or webhook."""
    return settings.PUBLIC_URL + runbook_path(runbook=runbook)


def send(*, url: str, message: AlertMessage) -> None:
    """Send one message, within CONNECT_S and TOTAL_S.

    :raises OSError: refused, hung, too slow, 4xx, 5xx or garbage: try again later.
    """
    parts = urlsplit(url)
    if parts.scheme == "mailto":
        _mail(address=unquote(parts.path), message=message)
    elif parts.scheme in {"http", "https"} and parts.hostname:
        _post(url=url, body=json.dumps(message.as_webhook()).encode())
    else:
        raise Unavailable(answer="no address: use https://... or mailto:address")


def listens(*, url: str, refused: bool) -> bool:
    """Ask a channel that has failed whether it is there again, without telling it anything.

    :param refused: it has answered 4xx: then another one to HEAD, which not every channel knows, says nothing new
    """
    parts = urlsplit(url)
    if parts.scheme == "mailto":
        return calls.BREAKERS["mail"].state == "closed"
    try:
        answer = outside_http.head(url=url, connect_s=CONNECT_S, total_s=CONNECT_S)
    except OSError:
        return False
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES or answer.status in LISTENING:
        return True
    busy = answer.status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
    return HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR and not busy and not refused


def _mail(*, address: str, message: AlertMessage) -> None:
    subject = f"[billing-docs] {message.severity} {message.status} {message.summary}"
    # Sent twice, it is the same mail: a crash between sending and noting it must not look like two incidents.
    incident = hashlib.sha256(
        f"{message.dedup_key} {message.opened_at.isoformat()} {message.status}".encode()
    ).hexdigest()
    headers = {"Message-ID": f"<{incident[:40]}@billing-docs>"}
    letter = EmailMessage(subject=subject, body=message.as_text(), to=[address], headers=headers)
    try:
        outside_smtp.hand_over(message=letter, connect_s=CONNECT_S, total_s=TOTAL_S)
    except smtplib.SMTPException as refusal:  # of the recipient, too: who mends that, mends it at the server
        raise Unavailable(answer=f"SMTP {type(refusal).__name__}") from refusal


def _post(*, url: str, body: bytes) -> None:
    """Post JSON to the webhook, and say what its answer means."""
    try:
        answer = outside_http.post(
            url=url, body=body, content_type="application/json", connect_s=CONNECT_S, total_s=TOTAL_S
        )
    except outside_http.NotHTTPError as garbage:
        raise Unavailable(answer=str(garbage)) from garbage
    status, asked = answer.status, answer.headers.get("retry-after", "")
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return
    waits_s = min(float(asked), RETRY_AFTER_MAX_S) if asked.isascii() and asked.isdigit() else 0.0
    refused = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    raise Unavailable(answer=f"HTTP {status}", retry_after_s=waits_s, refused=refused)
