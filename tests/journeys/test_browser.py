"""With a real browser: staff find a document, look at it and send its link again; the owner opens it on a phone.

The phone runs no JavaScript. What it downloads is, byte for byte, what lies in the vault.
"""

import email
import email.policy
import hashlib
import pathlib
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import Group, User
from django.db import connections
from guardian.shortcuts import assign_perm
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright
from pytest_django.plugin import DjangoDbBlocker

from documents.models import Country
from tests import cast
from tests.services import force, objects
from tests.services.live import Live, live, order, payout

__all__ = ["live"]

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PASSWORD = "una contraseña de verdad"
PHONE: ViewportSize = {"width": 390, "height": 844}
PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def nora(live: Live, django_db_blocker: DjangoDbBlocker) -> str:
    """Nora is in finance, for Spain; the live server checks her password with the real hasher."""
    with django_db_blocker.unblock():
        with force.by_force():
            user = User.objects.create(username="nora", is_staff=True)
            User.objects.filter(pk=user.pk).update(
                password=PBKDF2PasswordHasher().encode(PASSWORD, "salt", iterations=1000)
            )
            user.groups.add(Group.objects.get(name="finance"))
            assign_perm("documents.see_country", user, Country.objects.get(pk="ES"))
            cast.enrol(user=user)
        connections.close_all()
    return user.username


@pytest.fixture(scope="module")
def browser(nora: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def paid(live: Live) -> dict[str, Any]:
    """A locked payout statement of a driver with a tax id, whose mail is out."""
    ride = order(name="browser")
    assert live.post(ride).status == 201
    answer = live.post(payout(name="browser", orders=["ord_browser"], payee=ride["data"]["driver"]["id"]))
    (row,) = live.await_locked(keys=[answer.body["documents"][0]["document_key"]])
    live.await_quiet()
    return row


def links(live: Live) -> list[str]:
    """The links in the mailbox, the oldest mail first."""
    paths = sorted((live.folder / "mail").glob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
    found = []
    for path in paths:
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        body = message.get_body(preferencelist=("plain",))
        assert body is not None
        found += re.findall(r"http://\S+/l/\S+", body.get_content())
    return found


def test_staff_sign_in_find_a_document_see_its_page_and_send_its_link_again(
    live: Live, browser: Browser, nora: str, paid: dict[str, Any]
) -> None:
    context = browser.new_context(locale="es-ES", viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    faults = _watched(page)
    page.goto(f"{live.url}/admin/")
    page.get_by_label("Usuario").fill(nora)
    page.get_by_label("Contraseña").fill(PASSWORD)
    page.get_by_role("button", name="Entrar").click()
    page.get_by_label("Código").fill(cast.code())
    page.get_by_role("button", name="Entrar").click()
    page.goto(f"{live.url}/admin/documents/document/?q={paid['number']}")
    expect(page).to_have_url(re.compile(paid["public_id"]))
    expect(page.get_by_text(paid["number"]).first).to_be_visible()
    sheet = page.locator("img.dc-sheet")
    expect(sheet).to_be_visible()
    assert sheet.evaluate("image => image.complete && image.naturalWidth") >= 500

    before = len(links(live))
    page.get_by_role("link", name="Reenviar enlace").click()
    page.locator("form button[type=submit].dc-button-main").click()
    expect(page.get_by_text("Enlace nuevo en camino")).to_be_visible()
    until = time.monotonic() + 30
    while len(links(live)) == before and time.monotonic() < until:
        time.sleep(0.2)
    assert len(links(live)) == before + 1
    assert faults == []
    context.close()


def answer_wrongly(page: Page) -> None:
    """Give a wrong answer, load the page again and go back: no form is sent a second time."""
    page.get_by_label(re.compile("Últimos 4")).fill("0000")
    page.get_by_role("button", name="Ver mi documento").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.reload()
    expect(page.get_by_role("alert")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Tu documento está listo")


def open_in_place(page: Page) -> None:
    """Read the PDF in the browser."""
    with page.expect_response(re.compile("/file/$")) as reading:
        page.get_by_role("button", name="Abrir aquí").click()
    assert (reading.value.status, reading.value.headers["content-type"]) == (200, "application/pdf")
    assert reading.value.headers["content-disposition"].startswith("inline;")


def test_the_owner_opens_the_link_on_a_phone_and_downloads_what_lies_in_the_vault(
    live: Live, browser: Browser, paid: dict[str, Any], tmp_path: pathlib.Path, s3_objects: objects.Objects
) -> None:
    context = browser.new_context(
        viewport=PHONE, is_mobile=True, has_touch=True, java_script_enabled=False, locale="es-ES", accept_downloads=True
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(links(live)[-1])
    assert paid["number"] not in page.content()
    expect(page.get_by_role("heading", level=1)).to_have_text("Tu documento está listo")
    box = page.locator("body").bounding_box()
    assert box
    assert box["width"] <= PHONE["width"]

    answer_wrongly(page)
    page.get_by_label(re.compile("Últimos 4")).fill("678z")
    page.get_by_role("button", name="Ver mi documento").click()
    expect(page.get_by_text(paid["number"]).first).to_be_visible()

    with page.expect_download() as downloading:
        page.get_by_role("button", name=re.compile("Descargar PDF")).click()
    target = tmp_path / "document.pdf"
    downloading.value.save_as(target)
    body = target.read_bytes()
    assert hashlib.sha256(body).hexdigest() == paid["file_sha256"]
    assert body == s3_objects.read(url=live.vault_url, key=paid["vault_key"], version=paid["vault_version"])
    assert downloading.value.suggested_filename.startswith("Aventide-liquidacion-")
    assert downloading.value.suggested_filename.endswith(f"-{paid['number']}.pdf")
    open_in_place(page)
    context.close()
    # The table of states: sent, opened, downloaded; and each of them is on record.
    status = live.one(
        "SELECT status FROM documents_delivery WHERE document_id = %s ORDER BY sequence DESC LIMIT 1", [paid["id"]]
    )
    assert status == "DOWNLOADED"
    actions = {row["action"] for row in live.rows("SELECT action FROM audit_event")}
    assert {"link.seen", "link.failed", "link.opened", "document.downloaded"} <= actions


def test_anybody_may_ask_whether_a_document_is_genuine_and_learns_no_name(
    live: Live, browser: Browser, paid: dict[str, Any]
) -> None:
    context = browser.new_context(viewport=PHONE, java_script_enabled=False, locale="es-ES")
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{live.url}/v/{paid['verification_code']}")
    said = page.locator("body").inner_text()
    assert paid["number"] in said
    assert "Ana" not in said
    assert "21,88" not in said
    page.goto(f"{live.url}/v/AAAA-BBBB-CCCC-DDDD")
    assert paid["number"] not in page.locator("body").inner_text()
    context.close()


@pytest.mark.usefixtures("paid")
def test_the_phones_pages_have_no_script_and_tell_nobody_where_they_came_from(live: Live, browser: Browser) -> None:
    context = browser.new_context(viewport=PHONE, java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    answer = page.goto(links(live)[-1])
    assert answer is not None
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "no-store" in answer.headers["cache-control"]
    assert "script-src" not in answer.headers["content-security-policy"]
    assert page.locator("script").count() == 0
    assert "Your" in page.locator("h1").inner_text()
    context.close()


def _watched(page: Page) -> list[str]:
    """What the page complains about: scripts that fail, answers of 5xx."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("response", lambda answer: faults.append(answer.url) if answer.status >= 500 else None)
    return faults
