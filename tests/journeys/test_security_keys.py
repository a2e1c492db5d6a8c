"""With a real browser and its virtual authenticator: a passkey is enrolled, lets in, confirms a grave act, fails aloud."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import Group, User
from django.db import connections
from guardian.shortcuts import assign_perm
from playwright.sync_api import Browser, CDPSession, Page, expect, sync_playwright
from pytest_django.plugin import DjangoDbBlocker

from audit import log
from documents.access import people
from documents.models import Country
from tests.journeys.test_browser import CHROMIUM, FLAGS, PASSWORD, PATIENCE_MS, _watched
from tests.services import force
from tests.services.live import Live, live

__all__ = ["live"]


@pytest.fixture(scope="module")
def rosa(live: Live, django_db_blocker: DjangoDbBlocker) -> str:
    """Rosa administers people; she has no second factor yet."""
    with django_db_blocker.unblock():
        with force.by_force():
            user = User.objects.create(username="rosa", is_staff=True)
            hashed = PBKDF2PasswordHasher().encode(PASSWORD, "salt", iterations=1000)
            User.objects.filter(pk=user.pk).update(password=hashed)
            user.groups.add(Group.objects.get(name="admin"))
            assign_perm("documents.see_country", user, Country.objects.get(pk="ES"))
        people.add(login="nadia", email="nadia@example.com", actor=log.SYSTEM)
        connections.close_all()
    return user.username


@pytest.fixture(scope="module")
def browser(rosa: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


def authenticator(page: Page) -> tuple[CDPSession, str]:
    """Give the browser a key of its own, as a laptop has one."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options: dict[str, Any] = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    return session, session.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]


def show_password(page: Page, home: str, login: str) -> None:
    page.goto(f"{home}/admin/")
    page.get_by_label("Usuario").fill(login)
    page.get_by_label("Contraseña").fill(PASSWORD)
    page.get_by_role("button", name="Entrar").click()


def enrol(page: Page, home: str) -> None:
    """Enrol the key as the first factor, and try to enrol it again."""
    page.get_by_role("link", name="Usar una llave de seguridad").click()
    page.get_by_label("Nombre de la llave").fill("portátil")
    page.get_by_role("button", name="Añadir esta llave").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Guarda tus códigos de recuperación")
    page.get_by_role("link", name="Los he guardado").click()
    expect(page).to_have_url(f"{home}/admin/")
    page.goto(f"{home}/admin/factors/key/")
    page.get_by_label("Nombre de la llave").fill("otra")
    page.get_by_label("Tu contraseña").fill(PASSWORD)
    page.get_by_role("button", name="Añadir esta llave").click()
    expect(page.get_by_role("status")).to_have_text("Esta llave ya está añadida: usa otra.")


def give_role(page: Page, home: str, person: str) -> None:
    """Give somebody a role, a grave act, and confirm it with the key."""
    page.goto(f"{home}/admin/documents/person/{person}/roles/")
    page.get_by_label("Funciones").select_option("support")
    page.get_by_label("Motivo").fill("Empieza hoy en soporte")
    page.get_by_role("button", name="Usar mi llave de seguridad").click()
    expect(page.get_by_text("Funciones cambiadas.")).to_be_visible()


def test_a_passkey_is_enrolled_lets_in_confirms_a_grave_act_and_fails_aloud(
    live: Live, browser: Browser, rosa: str
) -> None:
    home = live.url.replace("127.0.0.1", "localhost")
    context = browser.new_context(locale="es-ES", viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    faults = _watched(page)
    page.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
    session, key = authenticator(page)

    show_password(page, home, rosa)
    enrol(page, home)
    context.clear_cookies()
    show_password(page, home, rosa)
    page.get_by_role("button", name="Usar mi llave de seguridad").click()
    expect(page).to_have_url(f"{home}/admin/")

    nadia = live.one("SELECT public_id FROM documents_person")
    give_role(page, home, nadia)
    session.send("WebAuthn.clearCredentials", {"authenticatorId": key})  # lost: what answers now knows nothing
    context.clear_cookies()
    show_password(page, home, rosa)
    page.get_by_role("button", name="Usar mi llave de seguridad").click()
    expect(page.get_by_role("status")).to_have_text(re.compile("No se ha usado ninguna llave"))
    assert page.url.startswith(f"{home}/admin/login/code/")
    assert faults == []
    context.close()
    said = live.rows("SELECT action, code FROM audit_event WHERE starts_with(action, 'factor.') ORDER BY id")
    steps = [("factor.added", "webauthn"), *[("factor.used", "webauthn")] * 2]
    assert [(row["action"], row["code"]) for row in said] == steps
