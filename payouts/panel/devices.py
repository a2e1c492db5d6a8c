"""Where a person is signed in to the panel, and the end of one of these sessions."""

from collections.abc import Mapping
from types import MappingProxyType

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from audit.actions import Action
from audit.models import EventDetail
from documents import formatting
from documents.access import actors
from documents.models import PanelSession
from payouts.panel import frame, paging, sessions

ROWS_MAX = 6
# TABLE: what a browser calls itself -> the device; the first that is in it wins.
_DEVICES: Mapping[str, str] = MappingProxyType(
    {"iPhone": "iPhone", "iPad": "iPad", "Android": "Android", "Windows": "Windows", "Mac OS": "Mac", "Linux": "Linux"}
)


def devices(request: HttpRequest, **_parts: object) -> HttpResponse:
    """Show where the address is signed in (GET /mis-documentos/dispositivos/)."""
    own = sessions.of(request=request)
    beside = sessions.beside(session=own, now=timezone.now()).select_related("code")
    open_, pager = paging.page_of(request=request, rows=beside, size=ROWS_MAX)
    agents = _agents(rows=open_)
    with frame.language(request=request):
        rows = [
            {
                "name": _device(agent=agents.get(row.code.public_id, "")),
                "is_this": row.pk == own.pk,
                "since": formatting.day(date=row.started_at.date()),
                "until": formatting.day(date=row.expires_at.date()),
                "end": row.public_id,
            }
            for row in open_
        ]
    return frame.page(request=request, template="panel/devices.html", context={"devices": rows, **pager})


@csrf_exempt  # the panel's entrance refuses another site's form
def end(request: HttpRequest, public_id: str, **_parts: object) -> HttpResponse:
    """End one session of the address (POST /mis-documentos/dispositivos/<id>/cerrar/).

    :raises errors.Problem: `not_owner`, on record: a session of another address, or none
    """
    own = sessions.of(request=request)
    if not PanelSession.objects.filter(address_digest=own.address_digest, public_id=public_id).exists():
        shown = public_id[:64]
        actors.refuse(request=request, code="not_owner", object_type="panel_session", object_id=shown)
    sessions.end(session=own, now=timezone.now(), actor=actors.actor(request=request), only=public_id)
    return frame.see(request=request, name="panel-devices")


def _agents(*, rows: list[PanelSession]) -> dict[str, str]:
    """Return what each browser called itself when it came in, by the id of its code; erased with the log's details."""
    codes = [row.code.public_id for row in rows]
    seen = EventDetail.objects.filter(
        event__action=Action.SESSION_LOGIN, event__object_type="sign_in_code", event__object_id__in=codes
    )
    return {code: str(kept.get("agent", "")) for code, kept in seen.values_list("event__object_id", "details")}


def _device(*, agent: str) -> str:
    """Name a device by what its browser calls itself."""
    return next((name for word, name in _DEVICES.items() if word in agent), _("Otro dispositivo"))
