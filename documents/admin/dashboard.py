"""The first page: what needs a person, what came in today, whether the outside answers. All counts are capped."""

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from documents.admin import cells, filters, rights
from documents.events import outcomes
from documents.models import Alert, Discrepancy, Document, Event, EventStatus, Status
from documents.resilience import dependencies as resilience

if TYPE_CHECKING:
    from django.db.models import QuerySet

COUNT_MAX = 1000
NEWEST_MAX = 10
LATEST_MAX = 20_000  # documents looked at for "today": the newest by id, so that no count walks the whole table


class Tile(NamedTuple):
    """A number that leads to its list. `tone` is calm unless somebody should look."""

    label: str
    value: str
    tone: str
    note: str
    url: str


def context(*, request: HttpRequest) -> dict[str, Any]:
    """Gather the first page; without the right to see documents there is only a welcome."""
    if not rights.may(request=request, right="see"):
        return {"tiles": [], "newest": [], "dependencies": [], "alerts": [], "sees": False}
    now = timezone.now()
    mine = rights.documents(request=request)
    open_alerts = list(Alert.objects.filter(resolved_at=None).order_by("severity", "-pk")[:COUNT_MAX])
    newest = (
        mine.select_related("owner")
        .order_by("-pk")
        .only(
            "public_id",
            "number",
            "kind",
            "country_id",
            "currency",
            "total_minor",
            "status",
            "issued_at",
            "owner__platform_id",
        )
    )
    return {
        "sees": True,
        "tiles": tiles(request=request, mine=mine, alerts=open_alerts, now=now),
        "newest": [
            (
                cells.link(one, mono_face=True),
                one.get_kind_display(),
                cells.mono(one.owner.platform_id),
                one.country_id,
                cells.amount(minor=one.total_minor, currency=one.currency),
                cells.state(one.status),
                cells.moment(one.issued_at),
            )
            for one in newest[:NEWEST_MAX]
        ],
        "dependencies": dependencies(alerts=open_alerts),
        "alerts": [
            (
                cells.state(one.severity),
                cells.link(one, text=one.code, mono_face=True),
                one.detail,
                cells.since(one.opened_at, now=now),
            )
            for one in open_alerts[:5]
        ],
        "list_url": reverse("admin:documents_document_changelist"),
        "alerts_url": reverse("admin:documents_alert_changelist"),
    }


def tiles(*, request: HttpRequest, mine: "QuerySet[Document]", alerts: list[Alert], now: dt.datetime) -> list[Tile]:
    """Count what matters."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    latest = mine.order_by("-pk").values("pk")[:LATEST_MAX]
    today = Document.objects.filter(pk__in=latest, issued_at__gte=midnight)
    events = Event.objects.all()
    if not rights.everywhere(request=request):
        events = events.filter(country_code__in=rights.countries(request=request))
    documents_url, events_url = (
        reverse("admin:documents_document_changelist"),
        reverse("admin:documents_event_changelist"),
    )
    stuck = counted(mine.filter(filters.stuck(now=now)))
    quarantined = counted(mine.filter(status=Status.QUARANTINED))
    held = counted(events.filter(outcomes.for_a_person()))
    parked = counted(events.filter(status=EventStatus.PARKED))
    urgent = sum(one.severity == "P1" for one in alerts)
    return [
        Tile(
            _("Emitidos hoy"),
            many(counted(today, most=LATEST_MAX), most=LATEST_MAX),
            "calm",
            _("día UTC"),
            f"{documents_url}?issued=1",
        ),
        Tile(
            _("Resguardados hoy"),
            many(counted(today.filter(status=Status.LOCKED), most=LATEST_MAX), most=LATEST_MAX),
            "calm",
            _("en la bóveda y comprobados"),
            f"{documents_url}?issued=1&status__exact=LOCKED",
        ),
        Tile(
            _("Atascados"),
            many(stuck),
            "warn" if stuck else "good",
            _("más de 5 min sin resguardar · meta 0"),
            f"{documents_url}?view=stuck",
        ),
        Tile(
            _("En cuarentena"),
            many(quarantined),
            "bad" if quarantined else "good",
            _("no se entregan a nadie · meta 0"),
            f"{documents_url}?view=quarantine",
        ),
        Tile(
            _("Eventos retenidos"),
            many(held),
            "warn" if held else "good",
            _("esperan a una persona"),
            f"{events_url}?work=held",
        ),
        Tile(_("Eventos en espera"), many(parked), "calm", _("esperan a otro evento"), f"{events_url}?work=parked"),
        Tile(
            _("Alertas abiertas"),
            many(len(alerts)),
            "bad" if urgent else "warn" if alerts else "good",
            _("%(urgent)s de gravedad P1") % {"urgent": urgent},
            f"{reverse('admin:documents_alert_changelist')}?open=yes",
        ),
    ]


def counted(rows: "QuerySet[Any]", *, most: int = COUNT_MAX) -> int:
    """Count rows up to a cap."""
    return rows.order_by()[: most + 1].count()


def many(number: int, *, most: int = COUNT_MAX) -> str:
    """Write a capped count."""
    return f"+{most}" if number > most else str(number)


class DependencyState(NamedTuple):
    """How a dependency does; `fallback` is what happens meanwhile."""

    name: str
    badge: Any
    fallback: str


def dependencies(*, alerts: list[Alert]) -> list[DependencyState]:
    """Say how the outside does: an open incident is the truth that all processes share."""
    names = {
        "vault": _("Bóveda"),
        "mail": _("Correo"),
        "redis": _("Redis"),
        "postgresql": _("PostgreSQL"),
        "renderer": _("Compositor de PDF"),
        "clock": _("Reloj"),
        "alert_channel": _("Canal de alertas"),
        "cache": _("Caché"),
        "partner_webhooks": _("Webhooks de socios"),
        "timestamp_authority": _("Sello de tiempo"),
    }
    down = {one.dedup_key.removeprefix("dependency:") for one in alerts if one.dedup_key.startswith("dependency:")}
    english = cells.locale() == "en"
    return [
        DependencyState(
            names.get(name, name),
            cells.state("denied", words=_("Degradado")) if name in down else cells.state("ok", words=_("Responde")),
            row.fallback[1 if english else 0] if name in down else "",
        )
        for name, row in resilience.DEPENDENCIES.items()
    ]


def waiting(*, request: HttpRequest) -> dict[str, int]:
    """Return the few counts that the sidebar shows."""
    mine = rights.documents(request=request)
    events = Event.objects.filter(outcomes.for_a_person())
    parked = Event.objects.filter(outcomes.too_long(now=timezone.now(), limit_s=settings.PARKED_LIMIT_S))
    gaps = Discrepancy.objects.filter(resolved_at=None)
    if not rights.everywhere(request=request):
        mine_only = rights.countries(request=request)
        events, parked = events.filter(country_code__in=mine_only), parked.filter(country_code__in=mine_only)
        gaps = gaps.filter(country__in=mine_only)
    return {
        "reconcile": counted(events) + counted(parked) + counted(gaps)
        if rights.may(request=request, right="reconcile")
        else 0,
        "stuck": counted(mine.filter(filters.stuck(now=timezone.now()))),
        "held": counted(events),
        "alerts": counted(Alert.objects.filter(resolved_at=None)),
    }
