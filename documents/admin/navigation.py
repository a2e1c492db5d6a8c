"""The frame around every page: sidebar, tabs, the chip that says which environment this is."""

from collections.abc import Sequence
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
    """Return text and tone of the chip that tells production from a sandbox."""
    chips = {
        "production": (_("PRODUCCIÓN"), "danger"),
        "sandbox": (_("PRUEBAS"), "warning"),
        "test": (_("TEST"), "info"),
        "demo": (_("DEMO"), "info"),
    }
    return list(chips[settings.ENVIRONMENT])


def style(request: HttpRequest) -> str:
    """Return the address of our style sheet."""
    return static("dc/dc.css")


def icon(request: HttpRequest) -> str:
    """Return the address of our mark."""
    return static("dc/icon.svg")


def script(request: HttpRequest) -> str:
    """Return the address of our script."""
    return static("dc/dc.js")


def account(request: HttpRequest) -> list[dict[str, str]]:
    """Return what the menu of the account leads to."""
    return [
        {"title": _("Cambiar la contraseña"), "link": reverse("admin:password_change")},
        {"title": _("Tu segundo paso"), "link": reverse("admin:factors")},
    ]


def language_url(request: HttpRequest) -> str:
    """Return the address that changes the language."""
    return reverse("admin:language")


def badges(*, request: HttpRequest) -> dict[str, int]:
    """Return the sidebar's counts, at most a minute old; each person has a scope and so counts of his own."""
    key = _badges_key(request=request)
    counts: dict[str, int] | None = cache.get(key)
    if counts is None:
        counts = dashboard.waiting(request=request)
        cache.set(key, counts, BADGES_FRESH_S)
    return counts


def forget(*, request: HttpRequest) -> None:
    """Drop the caller's cached counts, so that the next page shows the effect of the action."""
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
    center = [_item(title=_("Panel"), icon="space_dashboard", url="admin:index")]
    if not rights.may(request=request, right="see"):
        return [{"title": _("Centro"), "items": center}, *_control(request=request), *_people(request=request)]
    counts = badges(request=request)
    return [
        {"title": _("Centro"), "items": [*center, *_lists_of_documents(stuck=counts["stuck"])]},
        _group(title=_("Trabajo"), items=_incidents(request=request, counts=counts)),
        _group(
            title=_("Dinero"),
            items=[
                _item(title=_("Pagos"), icon="payments", url="admin:payouts_payout_changelist"),
                _item(title=_("Partidas pagadas"), icon="receipt_long", url="admin:payouts_settlement_changelist"),
            ],
        ),
        _group(
            title=_("Registro"),
            items=[
                _item(title=_("Emisores"), icon="domain", url="admin:documents_issuer_changelist"),
                _item(title=_("Series"), icon="format_list_numbered", url="admin:documents_series_changelist"),
                _item(title=_("Custodia"), icon="shield_lock", url="admin:documents_custodyround_changelist"),
            ],
        ),
        *_control(request=request),
    ]


def _group(*, title: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    """Lay out a group of lines under a rule."""
    return {"title": title, "separator": True, "items": items}


def _lists_of_documents(*, stuck: int) -> list[dict[str, Any]]:
    """Return the lines of documents, and of those who get them."""
    return [
        _item(
            title=_("Documentos"),
            icon="description",
            url="admin:documents_document_changelist",
            badge=stuck,
            tone="danger",
        ),
        _item(title=_("Entregas"), icon="outgoing_mail", url="admin:documents_delivery_changelist"),
        _item(title=_("Enlaces seguros"), icon="link", url="admin:documents_link_changelist"),
        _item(title=_("Titulares"), icon="group", url="admin:documents_party_changelist"),
    ]


def _incidents(*, request: HttpRequest, counts: dict[str, int]) -> list[dict[str, Any]]:
    """Return the lines of what needs a person."""
    return [
        *_reconciling(request=request, count=counts["reconcile"]),
        _item(title=_("Eventos"), icon="inbox", url="admin:documents_event_changelist", badge=counts["held"]),
        _item(title=_("Discrepancias"), icon="difference", url="admin:documents_discrepancy_changelist"),
        _item(title=_("Viajes que faltan"), icon="contact_support", url="admin:payouts_tripreport_changelist"),
        _item(
            title=_("Alertas"),
            icon="notifications",
            url="admin:documents_alert_changelist",
            badge=counts["alerts"],
            tone="danger",
        ),
    ]


def _control(*, request: HttpRequest) -> list[dict[str, Any]]:
    """Return the group of the audit log and of what it is kept for, for those who may read it."""
    if not rights.may(request=request, right="audit"):
        return []
    return [
        _group(
            title=_("Control"),
            items=[
                _item(title=_("Bitácora"), icon="policy", url="admin:audit_event_changelist"),
                _item(title=_("Legal holds"), icon="gavel", url="admin:documents_legalhold_changelist"),
            ],
        )
    ]


def _people(*, request: HttpRequest) -> list[dict[str, Any]]:
    """Return the group of who may do what, for those who decide it."""
    if not rights.may(request=request, right="people"):
        return []
    items = [
        _item(title=_("Personas"), icon="group", url="admin:documents_person_changelist"),
        _item(title=_("Claves de API"), icon="key", url="admin:documents_apikey_changelist"),
    ]
    if not rights.may(request=request, right="see"):  # who does has them under "Registro"
        items.append(_item(title=_("Emisores"), icon="domain", url="admin:documents_issuer_changelist"))
    return [_group(title=_("Acceso"), items=items)]


def _reconciling(*, request: HttpRequest, count: int) -> list[dict[str, Any]]:
    """Return the line of the work list, for those who may see it; the list itself is in `payouts`."""
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
    """Return the tabs of the lists that have fixed views."""
    if not rights.may(request=request, right="see"):
        return []
    return [
        {
            "models": [{"name": f"documents.{model}", "detail": False}],
            "items": [
                _tab(
                    title=title,
                    url=reverse(f"admin:documents_{model}_changelist"),
                    parameter=parameter,
                    value=value,
                    request=request,
                )
                for value, title in views
            ],
        }
        for model, (parameter, views) in _views().items()
    ]


def _views() -> dict[str, tuple[str, Sequence[tuple[str, str]]]]:
    """Return model -> (parameter of its list's address, the fixed views as (value, title))."""
    open_or_done = (("", _("Todas")), ("yes", _("Abiertas")), ("no", _("Resueltas")))
    return {
        "document": (
            "view",
            (
                ("", _("Todos")),
                ("stuck", _("Atascados")),
                ("quarantine", _("Cuarentena")),
                ("unpaid", _("Pago pendiente")),
                ("hold", _("Legal hold")),
            ),
        ),
        "event": ("work", (("", _("Todos")), ("held", _("Retenidos")), ("parked", _("En espera")))),
        "alert": ("open", open_or_done),
        "discrepancy": ("open", open_or_done),
    }
