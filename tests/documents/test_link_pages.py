"""The pages of a secure link, on a phone: small, without script, readable, in two languages, and leaking nothing."""

import base64
import hashlib
import pathlib
import re
from typing import TYPE_CHECKING

import pytest
from django.test import Client
from django.utils import timezone

from documents.delivery import links
from documents.link_pages import messages
from documents.models import Issuer
from tests import factories
from tests.services import force

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as HttpResponse
from tests.documents.visits import Outline, a_link, answered, opened, path, quiet, states, text

__all__ = ["quiet"]

pytestmark = pytest.mark.django_db
BYTES_MAX = 6 * 1024


@pytest.mark.parametrize("state", ["question", "opened", "revoked", "report"])
def test_every_page_names_the_support_address_of_its_issuer(state: str) -> None:
    link = a_link(revoked_at=timezone.now()) if state == "revoked" else a_link()
    with force.by_force():
        Issuer.objects.filter(pk=link.document.issuer_id).update(support_email="ayuda@aventide.example")
    client = opened(link) if state == "opened" else Client()
    page = text(client.get(path(link, "report/" if state == "report" else "")))
    assert f'href="mailto:ayuda@aventide.example?subject={link.public_id}"' in page


def every_page() -> dict[str, "HttpResponse"]:
    """Return a page of every state, by name."""
    link = a_link()
    found = {name: Client().get(path(one)) for name, (one, _status) in states().items()}
    found["landing"] = Client().get(path(link))
    found["wrong"] = answered(Client(), link, "0000")
    found["ready"] = opened(link).get(path(link))
    found["code"] = Client().get(Client().post(path(link, "code/"))["Location"])
    found["unknown"] = Client().get("/l/nope/")
    found["ask"] = Client().get(path(link, "report/"))
    found["reported"] = Client().get(Client().post(path(link, "report/"), {"sure": "yes"})["Location"])
    found["renewed"] = Client().get(path(a_link(revoked_at=timezone.now())) + "?note=renewed")
    found["english"] = Client().get(path(a_link()), headers={"accept-language": "en-GB"})
    found["method"] = Client().put(path(link))
    return found


def test_every_page_is_small_scriptless_and_leaks_nothing_by_its_headers() -> None:
    for name, response in every_page().items():
        page = text(response)
        outline = Outline(page)
        assert len(response.content) <= BYTES_MAX, name
        assert outline.all("script") == []
        assert not re.search(r"\son[a-z]+=|\sstyle=|javascript:", page)
        assert response["Referrer-Policy"] == "no-referrer"
        assert response["Cache-Control"] == "no-store"
        assert "noindex" in response["X-Robots-Tag"]
        assert response["X-Frame-Options"] == "DENY"
        assert "Set-Cookie" not in response.headers or name == "open"
        links_out = [one["href"] or "" for one in outline.all("a")]
        elsewhere = [row for row in links_out if re.match(r"[a-z.+-]+:|//", row)]
        assert all(row.startswith("mailto:documentos@aventide.example") for row in elsewhere)
        assert any(row.startswith("mailto:") for row in links_out), name


def test_the_policy_allows_exactly_the_style_that_is_on_the_page() -> None:
    for response in every_page().values():
        style = re.search(r"<style>(.*?)</style>", text(response), flags=re.DOTALL)
        assert style is not None
        digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        policy = response["Content-Security-Policy"]
        assert f"style-src 'sha256-{digest}'" in policy
        assert "script-src" not in policy
        for words in (
            "default-src 'none'",
            "img-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ):
            assert words in policy


def test_every_page_has_one_heading_a_language_and_labels_for_its_fields() -> None:
    for name, response in every_page().items():
        outline = Outline(text(response))
        assert len(outline.all("h1")) == 1
        assert outline.all("html") == [{"lang": "en" if name == "english" else "es"}]
        assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in outline.all("meta")
        labelled = {one.get("for") for one in outline.all("label")}
        assert all(one.get("id") in labelled for one in outline.all("input") if one.get("type") != "hidden")


def luminance(colour: str) -> float:
    """Return WCAG's relative luminance of `#rrggbb` or `#rgb`."""
    digits = colour.lstrip("#")
    digits = "".join(one * 2 for one in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_stands_out_seven_to_one_in_light_and_dark() -> None:
    sheet = pathlib.Path("templates/web/page.css").read_text(encoding="utf-8")
    schemes = re.findall(r":root \{(.*?)\}", sheet, flags=re.DOTALL)
    assert len(schemes) == 2
    pairs = [("ink", "card"), ("ink", "page"), ("soft", "card"), ("soft", "page"), ("on", "brand"), ("brand", "card")]
    pairs += [("ink", "tint"), ("good", "good-tint"), ("warn", "warn-tint"), ("bad", "bad-tint")]
    for scheme in schemes:
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", scheme))
        for front, back in pairs:
            light, dark = sorted((luminance(colours[front]), luminance(colours[back])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 7, (front, back)


def test_the_language_switch_survives_the_forms() -> None:
    link = a_link()
    client = Client()
    page = client.get(path(link) + "?lang=en")
    assert "Your document is ready" in text(page)
    assert next(one["action"] for one in Outline(text(page)).all("form")) == "open/?lang=en"
    wrong = client.post(path(link, "open/?lang=en"), {"answer": "0000"})
    assert wrong["Location"] == path(link) + "?lang=en&note=wrong"
    assert "You have 4 tries left." in text(client.get(wrong["Location"]))
    moved = client.post(path(link, "open/?lang=en"), {"answer": "678Z"})
    assert moved["Location"] == path(link) + "?lang=en"
    assert "Payout pending." in text(client.get(moved["Location"]))


def test_every_message_exists_for_every_state_that_a_link_can_be_in() -> None:
    link = a_link()
    for state in links.State:
        if state is not links.State.LIVE:
            assert messages.message(name=state.value, link=link, until_at=timezone.now()).status in {410, 429}


def test_a_name_full_of_html_stays_a_name() -> None:
    document = factories.document(
        owner=factories.party(platform_id="drv_x", legal_name="<img src=x onerror=alert(1)> Pérez"), now=timezone.now()
    )
    assert "<img" not in text(Client().get(path(a_link(document))))
