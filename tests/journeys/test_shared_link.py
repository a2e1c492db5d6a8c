"""With two browsers: a driver shares a document with her bank, which sees how it stands until she ends it; and her devices."""

import email
import email.policy
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.journeys.test_browser import CHROMIUM, FLAGS, PATIENCE_MS, PHONE
from tests.services.live import Live, live, order, payout

__all__ = ["live"]

NAME, BANK = "shared", "Banco Sur"
ADDRESS = f"{NAME}@example.com"
ANDROID = (
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Mobile Safari/537.36"
)


@pytest.fixture(scope="module")
def browser(live: Live) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def ride(live: Live) -> dict[str, Any]:
    """A locked order of a driver, whose payout is still to come."""
    event = order(name=NAME)
    answer = live.post(event)
    assert answer.status == 201
    live.await_locked(keys=[answer.body["documents"][0]["document_key"]])
    live.await_quiet()
    return event


def visitor(browser: Browser, *, agent: str = "") -> BrowserContext:
    """Return a browser of somebody new, without script."""
    more: dict[str, Any] = {"user_agent": agent} if agent else {}
    context = browser.new_context(viewport=PHONE, java_script_enabled=False, locale="es-ES", **more)
    context.set_default_timeout(PATIENCE_MS)
    return context


def codes(live: Live) -> list[str]:
    """Return the codes that were mailed to her, the oldest first."""
    paths = sorted((live.folder / "mail").glob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
    mails = [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in paths]
    subjects = [str(mail["Subject"]) for mail in mails if ADDRESS in str(mail["To"])]
    return [subject[:6] for subject in subjects if re.match(r"\d{6}", subject)]


def signed_in(live: Live, context: BrowserContext) -> Page:
    """Let her come in: her address, the code from her mailbox, and she is there."""
    # Who asks twice within a minute gets one code: here that minute has passed.
    live.rows("UPDATE documents_signincode SET queued_at = queued_at - interval '2 minutes' RETURNING id")
    page, before = context.new_page(), len(codes(live))
    page.goto(f"{live.url}/mis-documentos/")
    page.get_by_label("Tu correo").fill(ADDRESS)
    page.get_by_role("button", name="Enviarme un código").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Escribe el código")
    until = time.monotonic() + 30
    while len(codes(live)) == before and time.monotonic() < until:
        time.sleep(0.2)
    page.get_by_label("Código de 6 cifras").fill(codes(live)[-1])
    page.get_by_role("button", name="Entrar").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Esta semana")
    return page


def shared(live: Live, page: Page) -> tuple[str, str]:
    """Share her trip with her bank; return the link and the code, as the page shows them this once."""
    page.goto(f"{live.url}/mis-documentos/viaje/ord_{NAME}/")
    page.get_by_role("link", name=re.compile("Compartir")).click()
    page.get_by_label("¿Para quién es?").fill(BANK)
    page.get_by_role("button", name="Crear el enlace").click()
    expect(page.get_by_text(f"Listo para {BANK}.")).to_be_visible()
    return page.get_by_label("Enlace").input_value(), page.get_by_label(re.compile("^Código")).input_value()


def test_a_bank_sees_what_a_driver_shares_as_it_stands_and_no_longer_once_she_ends_it(
    live: Live, browser: Browser, ride: dict[str, Any]
) -> None:
    hers = visitor(browser)
    page = signed_in(live, hers)
    address, code = shared(live, page)
    banks = visitor(browser)
    bank = banks.new_page()
    bank.goto(address)
    expect(bank.get_by_role("heading", level=1)).to_have_text("Comparten un documento contigo")
    assert "21,88" not in bank.content()
    bank.get_by_label("Código de 6 cifras").fill(code)
    bank.get_by_role("button", name="Ver el documento").click()
    expect(bank.get_by_text("21,88 EUR")).to_be_visible()
    expect(bank.get_by_text("Pago pendiente")).to_be_visible()
    assert "recibirás" not in bank.content()  # said to the driver, not to her bank

    paid = live.post(payout(name=NAME, orders=[f"ord_{NAME}"], payee=ride["data"]["driver"]["id"]))
    live.await_locked(keys=[paid.body["documents"][0]["document_key"]])
    bank.reload()
    expect(bank.get_by_text("Pago enviado")).to_be_visible()

    page.get_by_role("link", name="Lo que comparto", exact=True).click()
    expect(page.get_by_text("ya abierto")).to_be_visible()
    page.get_by_role("button", name=f"Anular {BANK}").click()
    expect(page.get_by_text("Anulado")).to_be_visible()
    answer = bank.reload()
    assert answer is not None
    assert answer.status == 410
    expect(bank.get_by_text("Quien lo compartía contigo lo anuló")).to_be_visible()
    assert "21,88" not in bank.content()
    assert bank.get_by_role("button").count() == 0
    page.get_by_role("link", name="Quién vio mis documentos").click()
    expect(page.get_by_text(f"{BANK}, con quien lo compartes").first).to_be_visible()
    hers.close()
    banks.close()


def test_a_driver_sees_where_she_is_signed_in_and_ends_it_there_and_everywhere(
    live: Live, browser: Browser, ride: dict[str, Any]
) -> None:
    phone, laptop = visitor(browser, agent=ANDROID), visitor(browser)
    lost, page = signed_in(live, phone), signed_in(live, laptop)
    page.get_by_role("link", name="Mis dispositivos y cerrar sesión").click()
    rows = page.get_by_role("listitem")
    expect(rows.filter(has_text="(este)")).to_have_count(1)
    rows.filter(has_text="Android").get_by_role("button").first.click()
    expect(rows.filter(has_text="Android")).to_have_count(0)
    lost.reload()
    expect(lost.get_by_role("heading", level=1)).to_have_text("Mis documentos")  # the sign-in
    page.get_by_role("button", name="Cerrar sesión en todos mis dispositivos").click()
    page.goto(f"{live.url}/mis-documentos/")
    expect(page.get_by_label("Tu correo")).to_be_visible()
    phone.close()
    laptop.close()
