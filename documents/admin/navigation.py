"""The frame around every page: sidebar, tabs, the chip that says which environment this is."""

from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext as _

from documents.admin import dashboard, rights

BADGES_FRESH_S = 60


def environment(request: HttpRequest) -> list[str]:
    """Return the chip: nobody may take a sandbox for the real thing, or the reverse."""
    words = {
        "production": (_("PRODUCCIÓN"), "danger"),
        "sandbox": (_("PRUEBAS"), "warning"),
        "test": (_("TEST"), "info"),
        "demo": (_("DEMO"), "info"),
    }
    return list(words[settings.ENVIRONMENT])


def style(request: HttpRequest) -> str:
    """Return the address of our style sheet."""
    return static("dc/dc.css")


def icon(request: HttpRequest) -> str:
    """Return the address of our mark."""
    return static("dc/icon.svg")


def script(request: HttpRequest) -> str:
    """Return the address of our script."""
    return static("dc/dc.js")


def language_url(request: HttpRequest) -> str:
    """Return where the language is chosen."""
    return reverse("admin:language")


def badges(*, request: HttpRequest) -> dict[str, int]:
    """Return the sidebar's counts, a minute old at most, per person: each has a scope of his own."""
    key = _badges_key(request=request)
    found: dict[str, int] | None = cache.get(key)
    if found is None:
        found = dashboard.waiting(request=request)
        cache.set(key, found, BADGES_FRESH_S)
    return found


def forget(*, request: HttpRequest) -> None:
    """Have the caller's counts made anew: whoever has just acted sees that it counts."""
    cache.delete(_badges_key(request=request))


def _badges_key(*, request: HttpRequest) -> str:
    return f"dc:badges:{request.user.pk}"


def _item(*, title: str, icon: str, url: str, badge: int = 0, tone: str = "warning") -> dict[str, Any]:
    """Lay out one line of the sidebar."""
    item: dict[str, Any] = {"title": title, "icon": icon, "link": reverse(url)}
    if badge:
        item |= {
            "badge": f"+{dashboard.COUNT_MAX}" if badge > dashboard.COUNT_MAX else str(badge),
            "badge_variant": tone,
        }
    return item


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sidebar: only what the caller may open."""
    groups: list[dict[str, Any]] = [
        {"title": _("Centro"), "items": [_item(title=_("Panel"), icon="space_dashboard", url="admin:index")]}
    ]
    if rights.may(request=request, right="see"):
        count = badges(request=request)
        groups[0]["items"] += [
            _item(
                title=_("Documentos"),
                icon="description",
                url="admin:documents_document_changelist",
                badge=count["stuck"],
                tone="danger",
            ),
            _item(title=_("Entregas"), icon="outgoing_mail", url="admin:documents_delivery_changelist"),
            _item(title=_("Enlaces seguros"), icon="link", url="admin:documents_link_changelist"),
            _item(title=_("Titulares"), icon="group", url="admin:documents_party_changelist"),
        ]
        groups += [
            {
                "title": _("Trabajo"),
                "separator": True,
                "items": [
                    *_reconciling(request=request, count=count["reconcile"]),
                    _item(
                        title=_("Eventos"), icon="inbox", url="admin:documents_event_changelist", badge=count["held"]
                    ),
                    _item(title=_("Discrepancias"), icon="difference", url="admin:documents_discrepancy_changelist"),
                    _item(
                        title=_("Alertas"),
                        icon="notifications",
                        url="admin:documents_alert_changelist",
                        badge=count["alerts"],
                        tone="danger",
                    ),
                ],
            },
            {
                "title": _("Dinero"),
                "separator": True,
                "items": [
                    _item(title=_("Pagos"), icon="payments", url="admin:payouts_payout_changelist"),
                    _item(title=_("Partidas pagadas"), icon="receipt_long", url="admin:payouts_settlement_changelist"),
                ],
            },
            {
                "title": _("Registro"),
                "separator": True,
                "items": [
                    _item(title=_("Emisores"), icon="domain", url="admin:documents_issuer_changelist"),
                    _item(title=_("Series"), icon="format_list_numbered", url="admin:documents_series_changelist"),
                ],
            },
        ]
    if rights.may(request=request, right="audit"):
        groups.append(
            {
                "title": _("Control"),
                "separator": True,
                "items": [_item(title=_("Bitácora"), icon="policy", url="admin:audit_event_changelist")],
            }
        )
    return groups


def _reconciling(*, request: HttpRequest, count: int) -> list[dict[str, Any]]:
    """Return the work list's line, for those who see it; the list itself is a floor above."""
    if not rights.may(request=request, right="reconcile"):
        return []
    name = "admin:payouts_differenceapproval_changelist"
    return [_item(title=_("Por conciliar"), icon="balance", url=name, badge=count)]


def _tab(*, title: str, url: str, parameter: str, value: str, request: HttpRequest) -> dict[str, Any]:
    """Lay out one tab: a fixed view of a list."""
    link = f"{url}?{parameter}={value}" if value else url
    return {
        "title": title,
        "link": link,
        "active": lambda _request: request.path == url and request.GET.get(parameter, "") == value,
    }


def tabs(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the fixed views of the lists that have some."""
    if not rights.may(request=request, right="see"):
        return []
    wanted = (
        (
            "documents.document",
            "admin:documents_document_changelist",
            "view",
            (
                ("", _("Todos")),
                ("stuck", _("Atascados")),
                ("quarantine", _("Cuarentena")),
                ("unpaid", _("Pago pendiente")),
            ),
        ),
        (
            "documents.event",
            "admin:documents_event_changelist",
            "work",
            (("", _("Todos")), ("held", _("Retenidos")), ("parked", _("En espera"))),
        ),
        (
            "documents.alert",
            "admin:documents_alert_changelist",
            "open",
            (("", _("Todas")), ("yes", _("Abiertas")), ("no", _("Resueltas"))),
        ),
        (
            "documents.discrepancy",
            "admin:documents_discrepancy_changelist",
            "open",
            (("", _("Todas")), ("yes", _("Abiertas")), ("no", _("Resueltas"))),
        ),
    )
    return [
        {
            "models": [{"name": model, "detail": False}],
            "items": [
                _tab(title=title, url=reverse(name), parameter=parameter, value=value, request=request)
                for value, title in views
            ],
        }
        for model, name, parameter, views in wanted
    ]
