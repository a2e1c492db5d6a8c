"""The first page: what needs a person, what came in today, which dependencies answer. All counts are capped."""

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.actions import Action
from audit.models import Event as LoggedEvent
from documents.admin import cells, filters, rights
from documents.alerts import channel
from documents.emission import valve
from documents.events import outcomes
from documents.models import Alert, Discrepancy, Document, Event, EventStatus, IssuingValve, Status
from documents.resilience import dependencies

if TYPE_CHECKING:
    from django.db.models import QuerySet

COUNT_MAX = 1000
NEWEST_MAX = 10
ALERTS_MAX = 5
LATEST_MAX = 20_000  # documents counted for "today": the newest by id, so that no count reads the whole table


class Tile(NamedTuple):
    """A number that leads to its list. `tone` is calm unless somebody should look."""

    label: str
    value: str
    tone: str
    note: str
    url: str


def context(*, request: HttpRequest, mine: "QuerySet[Document]") -> dict[str, Any]:
    """Return what the first page shows; without the right to see documents it is only a welcome."""
    if not rights.may(request=request, right="see"):
        return {"tiles": [], "newest": [], "dependencies": [], "alerts": [], "sees": False}
    now = timezone.now()
    open_alerts = list(Alert.objects.filter(resolved_at=None).order_by("severity", "-pk")[:COUNT_MAX])
    return {
        "sees": True,
        "tiles": [*document_tiles(mine=mine, now=now), *work_tiles(request=request, alerts=open_alerts)],
        "newest": newest(mine=mine),
        "dependencies": dependency_states(alerts=open_alerts),
        "alerts": [
            (
                cells.state(alert.severity),
                cells.link(alert, text=alert.code, mono_face=True),
                channel.sentence(alert=alert, language=cells.locale()),
                cells.since(alert.opened_at, now=now),
            )
            for alert in open_alerts[:ALERTS_MAX]
        ],
        "list_url": reverse("admin:documents_document_changelist"),
        "alerts_url": reverse("admin:documents_alert_changelist"),
        "validated": last_validation(now=now),
    }


def last_validation(*, now: dt.datetime) -> dict[str, object] | None:
    """Return when the drills were made last and what came of them; None where they never were."""
    rows = LoggedEvent.objects.filter(object_id="operations", action=Action.OPERATIONS_VALIDATED).order_by("-pk")
    last = rows.first()
    if last is None:
        return None
    return {"since": cells.since(last.at, now=now), "held": last.outcome == "ok", "failed": last.code}


def newest(*, mine: "QuerySet[Document]") -> list[tuple[object, ...]]:
    """Return the newest documents of the caller's scope, as rows of cells."""
    rows = (
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
    return [
        (
            cells.link(row, mono_face=True),
            row.get_kind_display(),
            cells.mono(row.owner.platform_id),
            row.country_id,
            cells.amount(minor=row.total_minor, currency=row.currency),
            cells.state(row.status),
            cells.moment(row.issued_at),
        )
        for row in rows[:NEWEST_MAX]
    ]


def document_tiles(*, mine: "QuerySet[Document]", now: dt.datetime) -> list[Tile]:
    """Count the documents of today, and those that do not move on."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    latest = mine.order_by("-pk").values("pk")[:LATEST_MAX]
    today = Document.objects.filter(pk__in=latest, issued_at__gte=midnight)
    url = reverse("admin:documents_document_changelist")
    issued = counted(today, most=LATEST_MAX)
    locked = counted(today.filter(status=Status.LOCKED), most=LATEST_MAX)
    stuck = counted(mine.filter(filters.stuck(now=now)))
    quarantined = counted(mine.filter(status=Status.QUARANTINED))
    return [
        Tile(_("Emitidos hoy"), many(issued, most=LATEST_MAX), "calm", _("día UTC"), f"{url}?issued=1"),
        Tile(
            _("Resguardados hoy"),
            many(locked, most=LATEST_MAX),
            "calm",
            _("en la bóveda y comprobados"),
            f"{url}?issued=1&status__exact=LOCKED",
        ),
        Tile(
            _("Atascados"),
            many(stuck),
            "warn" if stuck else "good",
            _("más de 5 min sin resguardar · meta 0"),
            f"{url}?view=stuck",
        ),
        Tile(
            _("En cuarentena"),
            many(quarantined),
            "bad" if quarantined else "good",
            _("no se entregan a nadie · meta 0"),
            f"{url}?view=quarantine",
        ),
    ]


def work_tiles(*, request: HttpRequest, alerts: list[Alert]) -> list[Tile]:
    """Count the events that wait, the issuers that are paused, and the open alerts."""
    events = Event.objects.all()
    if not rights.everywhere(request=request):
        events = events.filter(country_code__in=rights.countries(request=request))
    issuers = IssuingValve.objects.exclude(paused_at=None)
    stopped = counted(issuers.filter(issuer__country__in=rights.countries(request=request)))
    url = reverse("admin:documents_event_changelist")
    held = counted(events.filter(outcomes.for_a_person()))
    parked = counted(events.filter(status=EventStatus.PARKED))
    urgent = sum(alert.severity == "P1" for alert in alerts)
    return [
        Tile(
            _("Eventos retenidos"),
            many(held),
            "warn" if held else "good",
            _("esperan a una persona"),
            f"{url}?work=held",
        ),
        Tile(_("Eventos en espera"), many(parked), "calm", _("esperan a otro evento"), f"{url}?work=parked"),
        Tile(
            _("Emisores en pausa"),
            many(stopped),
            "bad" if stopped else "good",
            _("esperan a una persona · meta 0"),
            reverse("admin:documents_issuer_changelist"),
        ),
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
    """The state of a dependency; `fallback` is what happens meanwhile."""

    name: str
    badge: Any
    fallback: str


# TABLE: dependency -> what people call it.
DEPENDENCY_NAMES = {
    "vault": gettext_lazy("Bóveda"),
    "vault_former": gettext_lazy("Bóveda anterior"),
    "vault_canary": gettext_lazy("Bóveda de prueba"),
    "mail": gettext_lazy("Correo"),
    "redis": gettext_lazy("Redis"),
    "postgresql": gettext_lazy("PostgreSQL"),
    "renderer": gettext_lazy("Compositor de PDF"),
    "clock": gettext_lazy("Reloj"),
    "alert_channel": gettext_lazy("Canal de alertas"),
    "alert_channel_2": gettext_lazy("Segundo canal de alertas"),
}


def dependency_states(*, alerts: list[Alert]) -> list[DependencyState]:
    """Return the state of each dependency: down while its incident is open, which all processes see."""
    down = {
        alert.dedup_key.removeprefix("dependency:") for alert in alerts if alert.dedup_key.startswith("dependency:")
    }
    english = cells.locale() == "en"
    return [
        DependencyState(
            str(DEPENDENCY_NAMES[name]),
            cells.state("denied", text=_("Degradado")) if name in down else cells.state("ok", text=_("Responde")),
            row.fallback[1 if english else 0] if name in down else "",
        )
        for name, row in dependencies.DEPENDENCIES.items()
    ]


def waiting(*, request: HttpRequest) -> dict[str, int]:
    """Return the counts that the sidebar shows."""
    mine = rights.documents(request=request)
    events = Event.objects.filter(outcomes.for_a_person())
    parked = Event.objects.filter(outcomes.too_long(now=timezone.now(), limit_s=settings.PARKED_LIMIT_S))
    gaps = Discrepancy.objects.filter(resolved_at=None)
    if not rights.everywhere(request=request):
        mine_only = rights.countries(request=request)
        events, parked = events.filter(country_code__in=mine_only), parked.filter(country_code__in=mine_only)
        gaps = gaps.filter(country__in=mine_only)
    return {
        "reconcile": counted(events.exclude(code=valve.PAUSED)) + counted(parked) + counted(gaps)
        if rights.may(request=request, right="reconcile")
        else 0,
        "stuck": counted(mine.filter(filters.stuck(now=timezone.now()))),
        "held": counted(events),
        "alerts": counted(Alert.objects.filter(resolved_at=None)),
    }
