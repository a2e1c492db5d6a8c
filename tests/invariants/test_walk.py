"""The walk in README.md is what happens: each function on it is called, in that order, and its audit events are recorded.

An order is posted to the webhook door, issued, locked, mailed in the weekly summary, opened by its owner and downloaded.
"""

import datetime as dt
import importlib
import json
import pathlib
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from types import CodeType, FrameType
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import Event as AuditEvent
from config import env
from config.simulation import sender
from documents.delivery import deliveries, links
from documents.emission import locking
from documents.models import Delivery, Document, Link
from documents.resilience import queue
from tests.services import live

ROOMS = ("", "documents.")
README = (env.BASE_DIR / "README.md").read_text(encoding="utf-8")
WALK = README.partition("## The walk\n```\n")[2].partition("\n```")[0]
NAME = re.compile(r"(?<![\w/.])((?:\w+\.)+\w+)(?![\w/(])")
ACTION = re.compile(r"(\w+\.\w+)")


def function(name: str) -> Callable[..., object] | None:
    """Return the function of a dotted name, with the floor or without it."""
    module, _, last = name.rpartition(".")
    for room in ROOMS:
        try:
            return getattr(importlib.import_module(room + module), last, None)
        except ModuleNotFoundError:
            continue
    return None


def lines() -> Iterator[tuple[list[str], list[str]]]:
    """Yield the names and the audit events of each line of the walk."""
    for line in WALK.splitlines():
        named, _, audited = line.partition("audit:")
        names = [name for name in NAME.findall(named) if not name.endswith(".py")]
        yield names, ACTION.findall(audited)


NAMES = [name for names, _ in lines() for name in names]
AUDITED = [action for _, actions in lines() for action in actions]
# What beat and the broker do in production, this test does by hand.
BY_HAND = {"tasks.advance", "tasks.deliver", "operations.sweeper.sweep"}


@pytest.mark.parametrize("name", NAMES)
def test_each_name_of_the_walk_is_a_function(name: str) -> None:
    assert callable(function(name)), name


def test_the_walk_is_not_empty() -> None:
    assert len(NAMES) > 10
    assert {"event.received", "document.issued", "document.locked", "document.downloaded"} <= set(AUDITED)


def code_of(name: str) -> CodeType:
    """Return the code of a function, also below its decorators."""
    called: Any = function(name)
    while hasattr(called, "__wrapped__"):
        called = called.__wrapped__
    code: CodeType = called.__code__
    return code


def traced(*, work: Callable[[], None], codes: dict[CodeType, str]) -> list[str]:
    """Do some work and return which of the functions were called, in the order of their first calls."""
    called: list[str] = []

    def profile(frame: FrameType, event: str, _arg: object) -> None:
        if event == "call" and (name := codes.get(frame.f_code)) and name not in called:
            called.append(name)

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(before)
    return called


def in_order(*, wanted: Sequence[str], happened: Sequence[str]) -> list[str]:
    """Return what happened of what is wanted, each once, as it came."""
    return list(dict.fromkeys(name for name in happened if name in wanted))


@pytest.mark.django_db(databases=["default", "denials"])
@pytest.mark.usefixtures("issuer")
def test_the_walk_is_what_happens_line_by_line(
    tmp_path: pathlib.Path,
    settings: Any,
    django_capture_on_commit_callbacks: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.MAIL_URL = f"file://{tmp_path / 'mail'}"
    settings.MAIL = env.mail(url=settings.MAIL_URL)
    settings.EMAIL_BACKEND, settings.EMAIL_FILE_PATH = settings.MAIL["backend"], settings.MAIL["folder"]
    monkeypatch.setattr(queue._publisher, "enqueue", lambda **_given: True)

    def walk() -> None:
        ride = live.order(name="walk")
        body = json.dumps(ride).encode()
        signed = sender.headers(body=body, secret=settings.WEBHOOK_SECRETS["orders"][0])
        with django_capture_on_commit_callbacks(execute=True):
            answer = Client().post(sender.PATH, data=body, content_type="application/json", headers=signed)
        assert answer.status_code == 201, answer.content
        document = Document.objects.get(event__event_id=ride["id"])
        with django_capture_on_commit_callbacks(execute=True):
            locking.advance(document_id=document.pk, now=timezone.now())
        monday = timezone.now() + dt.timedelta(days=8)
        for delivery_id in deliveries.digest(now=monday):
            deliveries.send(delivery_id=delivery_id, now=monday)
        assert Delivery.objects.get(document=document).status == "SENT"
        token = links.token(link=Link.objects.get(document=document))
        owner = Client()
        assert owner.get(f"/l/{token}/").status_code == 200
        assert owner.post(f"/l/{token}/open/", {"answer": "678Z"}).status_code == 303
        assert owner.post(f"/l/{token}/download/").content.startswith(b"%PDF")

    names = [name for name in NAMES if name not in BY_HAND]
    called = traced(work=walk, codes={code_of(name): name for name in names})
    assert called == names
    recorded = AuditEvent.objects.order_by("pk").values_list("action", flat=True)
    assert in_order(wanted=AUDITED, happened=list(recorded)) == AUDITED
