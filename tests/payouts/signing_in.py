"""A browser at the panel's sign-in: it asks for a code, reads it where the mail would bring it, and comes in."""

import re

from django.test import Client

from documents.delivery import sign_in_codes
from documents.models import SignInCode

PANEL = "/mis-documentos/"
HERS = "xochilt@example.com"


def asked(browser: Client, address: str = HERS) -> str:
    """Ask for a code and return what the page after it says."""
    answer = browser.post(f"{PANEL}entrar/", {"address": address})
    assert (answer.status_code, answer["Location"]) == (303, f"{PANEL}codigo/")
    return browser.get(f"{PANEL}codigo/").content.decode()


def form_of(page: str) -> str:
    return str(re.findall(r'name="form" value="([^"]+)"', page)[0])


def code() -> str:
    return sign_in_codes.figures(row=SignInCode.objects.latest("pk"))


def signed_in(address: str = HERS, browser: Client | None = None) -> Client:
    """Return a browser, a new one where none is given, in which the person of an address has signed in."""
    browser = browser or Client()
    form = form_of(asked(browser, address))
    answer = browser.post(f"{PANEL}codigo/", {"code": code(), "form": form})
    assert (answer.status_code, answer["Location"]) == (303, PANEL)
    return browser


def href_of(browser: Client, part: str) -> str:
    """Return the first address on the first page that has a part."""
    return str(re.findall(rf'href="([^"]*{part}[^"]*)"', browser.get(PANEL).content.decode())[0])
