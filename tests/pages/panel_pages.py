"""TABLE: the pages of the panel."""

from django.test import Client

from tests.pages.table import ShownPage
from tests.pages.world import LATE, PANEL, TRIP, PageWorld, document
from tests.payouts import signing_in


def _asked(world: PageWorld) -> Client:
    browser = Client()
    world.post(browser, f"{PANEL}entrar/", {"address": "nueva@example.com"})
    return browser


def _share(world: PageWorld) -> str:
    return f"{PANEL}compartir/{document('ord_MXA').public_id}/"


def _period(name: str, period: str, who: str) -> ShownPage:
    return ShownPage(
        name=f"period-{name}",
        at="panel-period",
        show=lambda world: world.get(getattr(world, who), f"{PANEL}periodo/{period}/"),
    )


def _missing(name: str, trip: str, who: str = "returned") -> ShownPage:
    return ShownPage(
        name=f"missing-{name}",
        at="panel-missing",
        show=lambda world: world.get(getattr(world, who), f"{PANEL}falta/" + (f"?viaje={trip}" if trip else "")),
    )


def _plain(name: str, at: str, place: str, who: str, status: int = 200) -> ShownPage:
    return ShownPage(name=name, at=at, show=lambda world: world.get(getattr(world, who), PANEL + place), status=status)


PANEL_PAGES = (
    ShownPage(name="sign-in", at="panel-sign-in", show=lambda world: world.get(Client(), f"{PANEL}entrar/")),
    ShownPage(
        name="sign-in-no-address",
        at="panel-sign-in",
        show=lambda world: world.post(Client(), f"{PANEL}entrar/", {"address": "ana"}),
        status=400,
    ),
    ShownPage(name="code", at="panel-code", show=lambda world: world.get(_asked(world), f"{PANEL}codigo/")),
    ShownPage(
        name="code-wrong",
        at="panel-code",
        show=lambda world: world.post(_asked(world), f"{PANEL}codigo/", {"code": "12", "form": "f"}),
    ),
    _plain("home-returned", "panel", "", "returned"),
    _plain("home-busy", "panel", "", "busy"),
    _plain("home-paid", "panel", "", "paid"),
    _plain("home-new", "panel", "", "newcomer"),
    _plain("home-agent", "panel", "", "agent"),
    _plain("week", "panel-week", "semana/2026-02-16/", "returned"),
    ShownPage(
        name="week-busy",
        at="panel-week",
        show=lambda world: world.get(world.busy, signing_in.href_of(world.busy, "semana/")),
    ),
    _plain("week-empty", "panel-week", "semana/2026-03-16/", "returned"),
    _plain("trip", "panel-trip", "viaje/ord_MXA/", "returned"),
    _plain("trip-late-tip", "panel-trip", f"viaje/{TRIP}/", "busy"),
    _plain("trip-taken-back", "panel-trip", "viaje/ord_back/", "busy"),
    _plain("trip-foreign", "panel-trip", "viaje/ord_9F2K/", "returned", 403),
    _period("month", "2026-02", "returned"),
    _period("month-empty", "2026-04", "returned"),
    _period("year", "2026", "returned"),
    _period("year-agent", "2026", "agent"),
    _plain("period-none", "panel-period", "periodo/2026-13/", "returned", 404),
    _plain("viewers", "panel-viewers", "vistas/", "returned"),
    _plain("viewers-none", "panel-viewers", "vistas/", "newcomer"),
    _missing("asked", ""),
    _missing("new", "", "newcomer"),
    _missing("issued", "ord_MXA"),
    _missing("in-review", "ord_held", "busy"),
    _missing("unknown", LATE),
    _missing("unknown-new", "ord_none", "newcomer"),
    _plain("shared", "panel-shared", "compartidos/", "returned"),
    _plain("shared-none", "panel-shared", "compartidos/", "newcomer"),
    ShownPage(name="share", at="panel-share", show=lambda world: world.get(world.returned, _share(world))),
    ShownPage(
        name="share-for-nobody",
        at="panel-share",
        show=lambda world: world.post(world.returned, _share(world), {"reader": " ", "form": "f"}),
        status=400,
    ),
    ShownPage(
        name="share-made",
        at="panel-share",
        show=lambda world: world.post(world.returned, _share(world), {"reader": "Banco del Bajío", "form": "f"}),
        status=201,
    ),
    _plain("devices", "panel-devices", "dispositivos/", "returned"),
)
