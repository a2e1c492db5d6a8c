"""Every page of the panel, of links and of signing in at 360 px: usable by everybody, no wider than the phone, small."""

import pathlib
from collections.abc import Iterator

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from audit import flood, log
from config import env
from documents.access.admission import Door
from documents.link_pages import verification
from documents.resilience import queue
from tests.pages import phone
from tests.pages.link_pages import LINK_PAGES
from tests.pages.panel_pages import PANEL_PAGES
from tests.pages.sign_in_pages import SIGN_IN_PAGES
from tests.pages.table import ENTRANCE, NO_PAGE, ShownPage
from tests.pages.world import PageWorld

pytestmark = [pytest.mark.usefixtures("vault_folder"), pytest.mark.django_db(databases=["default", "denials"])]
DOORS = {"panel": PANEL_PAGES, "links": LINK_PAGES, "sign-in": SIGN_IN_PAGES}
LANGUAGES = ("es", "en")
PANEL_BYTES_MAX = 10 * 1024
VARIANTS = [(language, scheme) for language in LANGUAGES for scheme in phone.SCHEMES]


@pytest.fixture(autouse=True)
def _undisturbed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody to ring, and a public page that is looked at as often as we like."""
    monkeypatch.setattr(queue, "enqueue", lambda **_: False)
    monkeypatch.setattr(verification, "_views", flood.Throttle(window_s=60.0, single_max=1))
    yield
    log.flush_denials()


def routes() -> Iterator[URLPattern]:
    """Yield every route of the service."""
    waiting: list[URLPattern | URLResolver] = list(get_resolver().url_patterns)
    while waiting:
        one = waiting.pop()
        if isinstance(one, URLResolver):
            waiting += one.url_patterns
        else:
            yield one


def test_every_route_of_these_doors_is_in_the_table_or_is_no_page() -> None:
    doors = {Door.WEB, Door.LINK, Door.PUBLIC}
    names = {
        str(one.name)
        for one in routes()
        if (rule := getattr(one, "rule", None))
        and (rule.door in doors or (rule.door is Door.ADMIN and one.name in ENTRANCE))
    }
    known = [one.at for pages in DOORS.values() for one in pages]
    assert names == {*known, *NO_PAGE}
    assert set(known) & set(NO_PAGE) == set()
    shown = [one.name for pages in DOORS.values() for one in pages]
    assert len(shown) == len(set(shown))


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("door", DOORS)
def test_every_page_can_be_used_by_everybody_at_360_px(door: str) -> None:
    """Look at each page once, in one variant after the other; `make axe` looks at each in all four."""
    folder = env.text(name="PICTURES")
    asked = [
        (number, variant)
        for number in range(len(DOORS[door]))
        for place, variant in enumerate(VARIANTS)
        if env.text(name="AXE") == "all" or place == number % len(VARIANTS)
    ]
    answers = answered(pages=DOORS[door], wanted={(number, language) for number, (language, _) in asked})
    faults: dict[str, list[str]] = {}
    with phone.switched_on() as shown:
        for number, (language, scheme) in asked:
            one = answers[number, language]
            name = f"{door}-{one.name}-{language}-{scheme}"
            picture = pathlib.Path(folder) / f"{name}.png" if folder else None
            faults[name] = shown.faults(answered=one, scheme=scheme, picture=picture)
    assert "\n".join(f"{name}: {fault}" for name, said in faults.items() for fault in said) == ""


def answered(*, pages: tuple[ShownPage, ...], wanted: set[tuple[int, str]]) -> dict[tuple[int, str], phone.Answered]:
    """Ask for pages, each by its place in the table and in a language."""
    world, made = PageWorld(), {}
    for number, language in sorted(wanted):
        world.language = language
        row = pages[number]
        answer = row.show(world)
        assert answer.status_code == row.status, row.name
        assert answer["Content-Type"] == "text/html; charset=utf-8", row.name
        if pages is PANEL_PAGES:
            assert len(answer.content) <= PANEL_BYTES_MAX, (row.name, len(answer.content))
        made[number, language] = phone.Answered(
            name=row.name,
            language=language,
            url=f"/{row.name}/",
            status=row.status,
            headers=dict(answer.headers),
            body=answer.content,
        )
    return made


BAD = """<!doctype html><html lang="es"><head><title>x</title></head><body><main><h1>x</h1>
<p id="pale">pálido</p><input><div id="wide">x</div></main></body></html>"""


@pytest.mark.parametrize(
    ("of", "by", "said"),
    [
        ('<p id="pale">', '<p style="color: #999">', "color-contrast"),
        ("<input>", '<input aria-label="">', "label"),
        ('<div id="wide">', '<div style="width: 500px">', "508 px wide"),
        ('lang="es"', 'lang="en"', "in 'en'"),
        ("<main>", "<main><script>fail()</script>", "fail is not defined"),
    ],
)
def test_what_a_page_lacks_is_said(of: str, by: str, said: str) -> None:
    good = BAD.replace("<input>", '<input aria-label="a" style="height: 30px">') if of != "<input>" else BAD
    with phone.switched_on() as shown:
        for body, faults in ((good, []), (good.replace(of, by), [said])):
            if body == BAD:
                continue
            one = phone.Answered(
                name="x",
                language="es",
                url="/x/",
                status=200,
                headers={"Content-Type": "text/html; charset=utf-8"},
                body=body.encode(),
            )
            told = shown.faults(answered=one, scheme="light")
            assert [any(word in text for text in told) for word in faults] == [True] * len(faults)
            assert bool(told) == bool(faults), told
