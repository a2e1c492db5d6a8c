"""The log: JSON lines with the fields of the table, the line that each runbook names, and nothing about a person."""

import contextlib
import functools
import io
import json
import logging
import pathlib
import re
import smtplib
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from typing import Any

import psutil
import pytest
from celery import shared_task
from django.conf import settings as django_settings
from django.db import DataError, IntegrityError, OperationalError
from django.test import Client
from django_structlog.celery.receivers import CeleryReceiver
from django_structlog.celery.steps import DjangoStructLogInitStep
from pytest_django import Settings
from structlog import contextvars

from config import celery, env, logs
from config.simulation import sender
from documents.alerts import channel, incidents, outages
from documents.delivery import deliveries, letters
from documents.emission import issuing
from documents.events import intake
from documents.models import Channel, Event
from documents.resilience import breaker, calls, dependencies
from documents.vault import immutable, local_store
from tests import factories
from tests.payouts import making, telling
from tests.services.live import Live, live, order, payment, payout, unlike

__all__ = ["live"]

ROOT = pathlib.Path(django_settings.BASE_DIR)
ALWAYS = {"time", "level", "logger", "message"}
# What the walk below types and sends about people, whole or in part.
PERSONAL = (
    *("Ana", "Ruiz", "Pardo", "Luc", "Ortiz", "12345678Z", "678Z", "@example", "6789", "whsec_", "sofia.typed"),
    *("word-typed-wrong", "nowhere", "evil-ana", "lang=en", "search=", "mail="),
)
# Names that are drawn: a UUID, and the public ids of `documents.identifiers`.
DRAWN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[a-z]+_[0-9a-z]{26}\b")
LoggedLines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[LoggedLines]:
    """Return what has been logged since, as it is written."""
    stream = io.StringIO()
    [handler] = [
        one for one in logging.getLogger().handlers if type(one) is logging.StreamHandler and one.formatter is not None
    ]
    ours = logging.StreamHandler(stream)
    ours.setFormatter(handler.formatter)
    logging.getLogger().addHandler(ours)
    contextvars.clear_contextvars()
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.getLogger().removeHandler(ours)
    contextvars.clear_contextvars()


# --- the running product ---


def links_of(live: Live) -> list[str]:
    """Return the path of each link that was mailed."""
    paths = []
    for file in sorted((live.folder / "mail").glob("*.eml")):
        part = message_from_bytes(file.read_bytes(), policy=policy.default).get_body(preferencelist=("plain",))
        assert part is not None
        paths += re.findall(r"https?://[^/\s]+(/l/[^\s]+)", str(part.get_content()))
    return paths


def written(live: Live) -> list[dict[str, Any]]:
    """Return every line that web server and worker have written; the worker's greeting is no line of the log."""
    web, worker = ((live.folder / f"{name}.log").read_text(encoding="utf-8") for name in ("web", "worker"))
    return [
        json.loads(line) for line in [*web.splitlines(), *(line for line in worker.splitlines() if line[:1] == "{")]
    ]


def walk(live: Live) -> tuple[dict[str, str], list[str]]:
    """Send events, good and bad, open links and knock at other doors; return request ids and all that is secret."""
    earned = order(name="logged", driver="drv_logged")
    paid = payout(name="logged", orders=["ord_logged"], payee="drv_logged")
    answers = {
        "order": live.post(earned),
        "again": live.post(earned),
        "payout": live.post(paid),
        "payment": live.post(payment(name="logged")),
        "wrong": live.post(unlike(order(name="wrong"), "/data/totals/payable", "9.99")),
        "forged": live.post(earned, secret="whsec_" + "d" * 32),
        "broken": live.post(raw=b'{"legal_name": "Ana Ruiz Pardo", '),
    }
    live.await_quiet()
    links = links_of(live)
    assert links
    form = {"content-type": "application/x-www-form-urlencoded"}
    for path in links:
        live.ask("GET", f"{path}?name=Ana&lang=en")
        live.ask("POST", f"{path}open/", body=b"answer=000Z", headers=form)
        opened = live.ask("POST", f"{path}open/", body=b"answer=678Z", headers=form)
        cookie = {"cookie": opened.headers.get("set-cookie", "").partition(";")[0]}
        answers["download"] = live.ask("POST", f"{path}download/", headers=cookie)
        live.ask("GET", f"{path}nowhere/", headers=cookie)
        live.ask("PUT", path)
    live.ask("GET", "/nowhere/12345678Z/?mail=logged@example.com")
    live.ask("GET", "/api/v1/documents/?search=Ana+Ruiz")
    live.ask("POST", "/admin/login/", body=b"username=sofia.typed&password=word-typed-wrong", headers=form)
    live.ask("GET", "/", headers={"host": "evil-ana.example"})
    secrets = [path.split("/")[2] for path in links] + [
        secret for pair in django_settings.WEBHOOK_SECRETS.values() for secret in pair
    ]
    secrets += [*PERSONAL, *cookie["cookie"].split("=")[1:]]
    return {name: answer.headers["request-id"] for name, answer in answers.items()}, secrets


def test_a_day_at_every_door_is_on_record_line_by_line_without_a_word_about_anybody(live: Live) -> None:
    requests, secrets = walk(live)
    until = time.monotonic() + 20
    while time.monotonic() < until and not any(line.get("task") for line in written(live)):
        time.sleep(0.2)
    everything = written(live)
    for line in everything:
        assert set(line) <= {*ALWAYS, *logs.FIELDS}
        for secret in secrets:
            # A moment has digits by chance, and ends in Z; so has a name that was drawn.
            said = {name: value for name, value in line.items() if name != "time"}
            assert secret not in DRAWN.sub("", json.dumps(said, ensure_ascii=False)), line
    by_request = {line["request"]: line for line in everything if line["message"] == "request_finished"}
    ids = {row["event_id"]: row["public_id"] for row in live.rows("SELECT event_id, public_id FROM documents_event")}
    taken_in = by_request[requests["order"]]
    assert (taken_in["route"], taken_in["status"]) == ("POST /api/v1/events/", 201)
    assert taken_in["event"] == by_request[requests["again"]]["event"] == ids["evt_ord_logged"]
    assert 0 < taken_in["ms"] < 60_000
    assert by_request[requests["wrong"]]["event"] == ids["evt_ord_wrong"]
    assert by_request[requests["forged"]]["status"] == 401
    download = by_request[requests["download"]]
    assert (download["route"], download["status"]) == ("POST /l/<str:token>/download/", 200)
    assert download["document"].startswith("doc_")
    tasks = [line for line in everything if line["message"] == "task_succeeded"]
    asked = {requests[name] for name in ("order", "payout", "payment")}
    assert asked & {line.get("request") for line in tasks if line["task"] == "documents.advance"}


def test_the_web_servers_master_says_that_a_worker_was_killed_in_a_line_of_the_log(live: Live) -> None:
    started = live.process_group.processes["web"].process
    assert started is not None
    psutil.Process(started.pid).children()[0].kill()
    until = time.monotonic() + 20
    while time.monotonic() < until and not any(line["logger"] == "gunicorn.error" for line in written(live)):
        time.sleep(0.1)
    assert [line["level"] for line in written(live) if "SIGKILL" in line["message"]] == ["error"]


# --- the line that each runbook names ---


def fail(dependency: str, _monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("away")

    with pytest.raises(calls.DependencyDown):
        calls.call(dependency=dependency, work=away)


def defect(*_given: object, **_named: object) -> None:
    raise ValueError("Ana Ruiz Pardo, 12345678Z, ana@example.com")


def post() -> None:
    telling.issuers()
    body = json.dumps(making.order("ord_1")).encode()
    Client(raise_request_exception=False).post(
        sender.PATH,
        data=body,
        content_type="application/json",
        headers={
            name: value
            for name, value in sender.headers(body=body, secret=django_settings.WEBHOOK_SECRETS["orders"][0]).items()
            if name != "content-type"
        },
    )


def request_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "receive", defect)
    post()


def event_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuing, "issue", defect)
    post()


def letter_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters, "compose", defect)
    document = factories.document(now=factories.NOW)
    made = deliveries._queue(
        document=document, channel=Channel.EMAIL, sequence=1, now=factories.NOW, actor=incidents.log.SYSTEM
    )
    deliveries.send(delivery_id=made.pk, now=factories.NOW)


def alert_opened(_monkeypatch: pytest.MonkeyPatch) -> None:
    incidents.open_alert(code="document_stuck", dedup_key="document:doc_1", values={"document": "Ana Ruiz"})


def alert_without_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_incident: object) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(incidents, "write", away)
    outages.open_alert_or_send(code="dependency_postgresql", dedup_key="k", values={}, object_id="")


def vault_read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(immutable, "available", lambda **_folder: False)
    folder = ROOT / "var" / "tests" / f"vault-{time.monotonic_ns()}"
    folder.mkdir(parents=True)
    local_store.LocalVault(root=folder).probe()


def task_succeeded(_monkeypatch: pytest.MonkeyPatch) -> None:
    with worker_signals():
        a_task.apply(args=["Ana Ruiz Pardo"])


CASES: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    **{
        f"message=dependency.failed dependency={name}": functools.partial(fail, name)
        for name in dependencies.DEPENDENCIES
    },
    "message=request_finished": lambda _patch: (Client().get("/healthz"), None)[1],
    "message=request.failed": request_failed,
    "message=event.failed": event_failed,
    "message=delivery.failed": letter_failed,
    "message=alert.opened": alert_opened,
    "message=alert.opened_without_database": alert_without_database,
    "message=vault.local_read_only": vault_read_only,
    "message=task_succeeded": task_succeeded,
}


def nothing(_name: str) -> None:
    """Do nothing."""


a_task = shared_task(name="tests.a_task")(nothing)
a_failing_task = shared_task(name="tests.a_failing_task")(defect)


@contextlib.contextmanager
def worker_signals() -> Iterator[None]:
    """Log tasks as a worker does; the receiver is forgotten with its only reference."""
    assert celery.app.steps["worker"] >= {DjangoStructLogInitStep}  # which does this in a worker
    receiver = CeleryReceiver()
    receiver.connect_worker_signals()
    yield
    del receiver


def named() -> set[str]:
    """Return the lines that the runbooks name."""
    text = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "runbooks").glob("*.md"))
    return set(re.findall(r"`(message=[^`]+)`", " ".join(text.split())))


def test_each_line_that_a_runbook_names_has_a_case_here_and_no_page_names_a_line_otherwise() -> None:
    assert named() == set(CASES)


@pytest.mark.django_db(databases=["default", "denials"])
@pytest.mark.parametrize("span", sorted(CASES))
def test_the_line_that_a_runbook_names_is_written(
    span: str, lines: LoggedLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)
    CASES[span](monkeypatch)
    wanted = dict(pair.split("=") for pair in span.split())
    written = [line for line in lines() if {**line, **wanted} == line]
    assert written, lines()
    assert not re.search(r"Ana|Ruiz|12345678Z|@example", json.dumps(lines()))
    if span in {"message=request.failed", "message=event.failed"}:
        assert written[0]["cause"] == "ValueError"
        assert "tests/config/test_logs.py" in written[0]["trace"]
        assert written[0]["request"].startswith("req_")
    if span == "message=event.failed":
        assert written[0]["event"] == Event.objects.get().public_id


# --- the form of a line ---


def logged(lines: LoggedLines, error: BaseException) -> dict[str, Any]:
    def fails() -> None:
        raise error

    try:
        fails()
    except type(error):
        logging.getLogger("documents.anything").exception("event.failed")
    return lines()[-1]


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ValueError("Ana Ruiz"), "ValueError"),
        (KeyError("Ana Ruiz"), "KeyError"),
        (DataError('invalid input syntax: "Ana Ruiz"'), "DataError"),
        (IntegrityError("duplicate\nDETAIL:  Key (legal_name)=(Ana Ruiz)"), "IntegrityError"),
        (OperationalError("the server is away\nDETAIL: Ana Ruiz"), "OperationalError: the server is away"),
        (ConnectionRefusedError(111, "Connection refused"), "ConnectionRefusedError: [Errno 111] Connection refused"),
        (smtplib.SMTPRecipientsRefused({"ana.ruiz@a.es": (550, b"Ana Ruiz")}), "SMTPRecipientsRefused"),
        (smtplib.SMTPDataError(554, b"no mail for Ana Ruiz"), "SMTPDataError: 554"),
        (channel.Unavailable(answer="HTTP 503"), "Unavailable: HTTP 503"),
    ],
)
def test_what_was_raised_is_named_without_what_it_says_about_anybody(
    error: Exception, cause: str, lines: LoggedLines
) -> None:
    line = logged(lines, error)
    assert line["cause"] == cause
    assert line["trace"].startswith(f"{type(error).__name__}: tests/config/test_logs.py:")
    assert "Ana" not in json.dumps(line)


def test_a_task_that_fails_is_named_with_its_trace_and_not_with_what_it_said(lines: LoggedLines) -> None:
    with worker_signals():
        a_failing_task.apply(args=["Ana Ruiz Pardo"])
    line = lines()[-1]
    assert (line["message"], line["task"], line["cause"]) == ("task_failed", "tests.a_failing_task", "ValueError")
    assert "defect" in line["trace"]
    assert "Ana" not in json.dumps(lines())


def test_texts_of_other_packages_lose_mail_addresses_tokens_and_queries(lines: LoggedLines) -> None:
    logging.getLogger("gunicorn.error").error("Error handling request /l/%s/?answer=678Z", "aB3" * 14 + "x")
    logging.getLogger("kombu").warning("redis://:a-password@broker/0 for <ana@example.com>\nnext")
    assert [line["message"] for line in lines()] == [
        "Error handling request /l/redacted/?redacted",
        "redis://:redacted/0 for <redacted> next",
    ]


def test_what_no_field_is_named_for_is_not_written(lines: LoggedLines) -> None:
    logging.getLogger("documents.anything").warning("event.failed", extra={"legal_name": "Ana", "code": "x"})
    assert set(lines()[0]) == {*ALWAYS, "code"}


def test_loggers_that_write_addresses_are_silent(lines: LoggedLines, capfd: pytest.CaptureFixture[str]) -> None:
    for name in (*logs.SILENT, "django.security.DisallowedHost"):
        logging.getLogger(name).critical("Not Found: /l/secret/")
    assert lines() == []
    assert "secret" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(("program", "level"), [("manage.py", "WARNING"), ("/x/gunicorn/__main__.py", "INFO")])
def test_a_typed_command_says_only_what_is_wrong(program: str, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOG_LEVEL", raising=False)
    monkeypatch.setattr("sys.argv", [program])
    assert env.log_level(name="LOG_LEVEL") == level
    monkeypatch.setenv("LOG_LEVEL", "debug")
    assert env.log_level(name="LOG_LEVEL") == "DEBUG"
    monkeypatch.setenv("LOG_LEVEL", "loud")
    with pytest.raises(env.Misconfigured, match="LOG_LEVEL"):
        env.log_level(name="LOG_LEVEL")


def test_a_request_does_not_lend_its_id_to_the_next_one(lines: LoggedLines, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["testserver"]
    for _ in range(2):
        Client().get("/healthz")
    ids = [line["request"] for line in lines() if line["message"] == "request_finished"]
    assert len(set(ids)) == 2
    assert contextvars.get_contextvars() == {}
