"""A change over the API is made once for each `Idempotency-Key`, and answered again to whom it still concerns."""

import io
import json
import os
import re
import signal
import threading
from concurrent import futures
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.test import Client

from audit.models import Event
from config.embedded import services
from documents.access import idempotency
from documents.delivery import sign_in_codes
from documents.models import ApiKey, Document, IdempotentAnswer, Link, SignInCode, Status
from tests import cast, factories
from tests.services import database, force

pytestmark = [
    pytest.mark.usefixtures("committed_db", "vault_folder"),
    pytest.mark.django_db(transaction=True, databases=["default", "owner", "denials"]),
]
KEY = "a-key-of-mine"


@pytest.fixture
def document() -> Document:
    """A locked document of Ana's."""
    return factories.document(owner=factories.party(platform_id="drv_idempotent", email="su@example.com"))


@pytest.fixture
def browser(document: Document) -> Client:
    """Finance, who may send links."""
    client = Client()
    client.force_login(cast.staff(name="sofia", roles=["finance"], countries=["ES"]).user)
    return client


def post(browser: Client, document: Document, *, key: str = KEY, body: object = None) -> Any:
    """Make a link."""
    headers = {"Idempotency-Key": key} if key else {}
    return browser.post(
        f"/api/v1/documents/{document.public_id}/links/", json.dumps(body or {}), "application/json", headers=headers
    )


def test_the_same_key_makes_one_link_whose_address_is_told_once(browser: Client, document: Document) -> None:
    first, second = post(browser, document), post(browser, document, key=f'"{KEY}"')
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["url"].startswith("http")
    assert second.json() == {**first.json(), "url": None}
    assert (first.get("Idempotent-Replayed"), second.get("Idempotent-Replayed")) == (None, "true")
    assert Link.objects.count() == 1
    assert list(Event.objects.filter(action__in=["link.created", "request.repeated"]).values_list("action", flat=True))
    secret = first.json()["url"].rstrip("/").rpartition("/")[2]
    assert secret not in repr(list(IdempotentAnswer.objects.values()))


def test_another_body_and_another_key_are_other_requests(browser: Client, document: Document) -> None:
    assert post(browser, document).status_code == 201
    reused = post(browser, document, body={"other": 1})
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    assert post(browser, document, key="another-key").status_code == 201
    assert Link.objects.count() == 2


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [
        ("", 400, "idempotency_key_missing"),
        ("short", 400, "validation_error"),
        ("a" * 129, 400, "validation_error"),
        ("ñandú-ñandú", 400, "validation_error"),
        ('"half-quoted', 400, "validation_error"),
    ],
)
def test_a_key_that_is_none_changes_nothing(
    key: str, status: int, code: str, browser: Client, document: Document
) -> None:
    answer = post(browser, document, key=key)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Link.objects.exists()


def test_a_refusal_by_the_body_is_answered_again_and_one_by_state_is_tried_again(
    browser: Client, document: Document
) -> None:
    wrong = post(browser, document, body={"unknown": 1})
    assert (wrong.status_code, wrong.json()["errors"][0]["code"]) == (400, "extra_forbidden")
    assert post(browser, document, body={"unknown": 1})["Idempotent-Replayed"] == "true"
    waiting = factories.document(status=Status.ISSUED)
    assert post(browser, waiting).status_code == 409
    assert "Idempotent-Replayed" not in post(browser, waiting)


def test_a_key_that_was_rotated_meanwhile_is_answered_again(document: Document) -> None:
    made = {"stdout": io.StringIO(), "stderr": io.StringIO()}
    call_command("keys", "create", "--party", "drv_idempotent", "--role", "driver", "--scope", "links", **made)
    call_command("keys", "rotate", ApiKey.objects.get().public_id, **made)
    answers = []
    for text in made["stdout"].getvalue().split():
        browser = Client(headers={"Authorization": f"Bearer {text}"})
        answers.append(post(browser, document))
        assert text.split("_", 2)[2] not in repr([*IdempotentAnswer.objects.values(), *Event.objects.values()])
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[1]["Idempotent-Replayed"] == "true"
    assert Link.objects.count() == 1


def test_whoever_may_no_longer_see_it_gets_no_answer_again(browser: Client, document: Document) -> None:
    assert post(browser, document).status_code == 201
    with force.by_force(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM guardian_userobjectpermission")
    denied = post(browser, document)
    assert (denied.status_code, denied.json()["code"]) == (403, "country_out_of_scope")
    assert Event.objects.filter(outcome="denied", code="country_out_of_scope").count() == 1


def test_while_one_is_at_work_the_others_are_sent_away_at_once(
    browser: Client, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, go_on = threading.Event(), threading.Event()
    store = idempotency._store

    def slow(**given: Any) -> None:
        inside.set()
        assert go_on.wait(timeout=30)
        store(**given)

    monkeypatch.setattr(idempotency, "_store", slow)
    answers: list[Any] = []

    def first() -> None:
        answers.append(post(browser, document))
        connection.close()

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(timeout=30)

    def other(_place: int) -> Any:
        another = Client()
        another.cookies = browser.cookies
        try:
            return post(another, document)
        finally:
            connections.close_all()

    with futures.ThreadPoolExecutor(max_workers=21) as several:
        others = list(several.map(other, range(63)))  # none of them has waited for the first
    go_on.set()
    thread.join()
    assert {(answer.status_code, answer.json()["code"]) for answer in others} == {(409, "idempotency_in_progress")}
    assert ({answer["Retry-After"] for answer in others}, len(others)) == ({"1"}, 63)
    monkeypatch.setattr(idempotency, "_store", store)
    assert answers[0].status_code == 201
    assert post(browser, document)["Idempotent-Replayed"] == "true"
    assert Link.objects.count() == 1


def test_what_fails_before_its_answer_is_stored_leaves_nothing_and_is_done_the_next_time(
    browser: Client, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_given: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(idempotency, "_store", broken)
        assert post(browser, document).status_code == 500
    assert not Link.objects.exists()
    assert post(browser, document).status_code == 201
    assert Link.objects.count() == 1


def test_who_is_killed_between_the_change_and_its_commit_leaves_nothing_and_the_next_try_is_the_first(
    browser: Client, document: Document
) -> None:
    store = idempotency._store

    def and_die(**given: Any) -> None:
        store(**given)
        os.kill(os.getpid(), signal.SIGKILL)

    connections.close_all()
    child = os.fork()
    if child == 0:
        idempotency._store = and_die
        post(browser, document)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert (Link.objects.count(), IdempotentAnswer.objects.count()) == (0, 0)
    again = post(browser, document)
    assert (again.status_code, "Idempotent-Replayed" in again) == (201, False)
    assert Link.objects.count() == 1


def test_a_dump_of_the_database_opens_nothing(browser: Client, document: Document, stack: services.Stack) -> None:
    made = {"stdout": io.StringIO(), "stderr": io.StringIO()}
    call_command("keys", "create", "--party", "drv_idempotent", "--role", "driver", "--scope", "links", **made)
    key = made["stdout"].getvalue().strip()
    holder = Client(headers={"Authorization": f"Bearer {key}"})
    shared = post(holder, document, body={"kind": "shared", "reader": "Banco"}).json()
    plain = post(browser, document).json()
    for again in (post(holder, document, body={"kind": "shared", "reader": "Banco"}), post(browser, document)):
        assert again["Idempotent-Replayed"] == "true"
    panel = Client()
    panel.post("/mis-documentos/entrar/", {"address": "su@example.com"})
    code = sign_in_codes.figures(row=SignInCode.objects.get())
    tokens = [url.rstrip("/").rpartition("/")[2] for url in (shared["url"], plain["url"])]
    dumped = database.dump(stack=stack).decode()
    assert document.public_id in dumped
    secrets = [key, key.split("_", 2)[2], *tokens, browser.cookies["sessionid"].value, cast.PASSWORD]
    assert [secret for secret in secrets if secret in dumped] == []
    figures = [text for text in (shared["code"], code) if re.search(rf"(?<![0-9a-f.]){text}(?![0-9a-f])", dumped)]
    assert figures == []
