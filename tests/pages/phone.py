"""A phone of 360 px that is handed pages as they were answered, and what it finds wrong with each of them."""

import importlib.resources
import json
import mimetypes
import pathlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from django.contrib.staticfiles import finders
from playwright.sync_api import Page, Route, sync_playwright

from tests.journeys.test_browser import CHROMIUM, FLAGS

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
WIDTH, HEIGHT = 360, 740
ORIGIN = "http://localhost"  # where a browser trusts what it would trust over https
AXE = (importlib.resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
# axe's own rules of WCAG 2 A and AA and of best practice, and the size of what is tapped, which it asks for only if told.
OPTIONS: dict[str, Any] = {"rules": {"target-size": {"enabled": True}}, "resultTypes": ["violations"]}
# The pages with our own sheet promise more: body text of 7:1.
OWN: dict[str, Any] = {**OPTIONS, "rules": {**OPTIONS["rules"], "color-contrast-enhanced": {"enabled": True}}}


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A page as the service answered it."""

    name: str
    language: str
    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


class Phone:
    """A browser that shows what it is handed."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._shown: Answered | None = None
        self._complaints: list[str] = []
        page.route("**/*", self._answer)
        page.on("console", lambda said: self._complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self._complaints.append(str(error)))

    def faults(self, *, answered: Answered, scheme: Scheme, picture: pathlib.Path | None = None) -> list[str]:
        """Show a page and return what is wrong with it, in words."""
        self._shown, self._complaints = answered, []
        self._page.emulate_media(color_scheme=scheme)
        self._page.goto(ORIGIN + answered.url, wait_until="load")
        self._page.evaluate(AXE)
        own = answered.body.find(b"/static/") < 0
        asked = f"axe.run(document, {json.dumps(OWN if own else OPTIONS)})"
        found = self._page.evaluate(asked)["violations"]
        if picture:
            self._page.screenshot(path=picture, full_page=True)
        faults = [f"{row['id']}: {node['html'][:200]}" for row in found for node in row["nodes"]]
        wide = self._page.evaluate("document.documentElement.scrollWidth")
        faults += [f"{wide} px wide"] if wide > WIDTH else []
        spoken = self._page.evaluate("document.documentElement.lang")
        faults += [f"in {spoken!r}"] if spoken != answered.language else []
        # Chromium says of each answer from 400 on that it "failed to load"; that it does is its page's point.
        return faults + [text for text in self._complaints if "Failed to load resource" not in text]

    def _answer(self, route: Route) -> None:
        """Hand over the page, a file of the theme, or nothing."""
        url = route.request.url
        shown = self._shown
        if shown is not None and url == ORIGIN + shown.url:
            route.fulfill(status=shown.status, headers=dict(shown.headers), body=shown.body)
            return
        name = url.removeprefix(f"{ORIGIN}/static/").partition("?")[0]
        path = finders.find(name) if url.startswith(f"{ORIGIN}/static/") else None
        if path:
            kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
            route.fulfill(body=pathlib.Path(str(path)).read_bytes(), content_type=kind)
        else:
            route.abort()


@contextmanager
def switched_on() -> Iterator[Phone]:
    """Give a phone; while it is on, this thread asks no database."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=2)
        yield Phone(context.new_page())
        browser.close()
