"""Planted defects: the fallback of one row taken out, in the processes of a campaign that must notice it.

TABLE: the row of `documents.resilience.dependencies` -> what takes its fallback out. The product has no switch for it.
"""

import datetime as dt
import functools
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from documents import errors

if TYPE_CHECKING:
    from documents.alerts import channel as alert_channel

_planted: set[str] = set()


def put(*, where: object, name: str, value: object) -> None:
    """Replace a function of the product in this process."""
    setattr(where, name, value)


def plant(*, name: str) -> None:
    """Take out the fallback of one row, once; "" leaves the product as it is.

    :raises KeyError: there is no such row
    """
    if name and name not in _planted:
        PLANTS[name]()
        _planted.add(name)


def _vault_gives_up() -> None:
    """Let a document that could not be locked never be tried again."""
    from documents.resilience import leases

    release = leases.release

    def for_good(*, lease: leases.Lease, next_try_at: dt.datetime | None, **columns: Any) -> bool:
        if lease.model.__name__ == "Document" and str(columns.get("cause", "")).startswith("worm_"):
            next_try_at = None
        return release(lease=lease, next_try_at=next_try_at, **columns)

    put(where=leases, name="release", value=for_good)


def _former_stops_all() -> None:
    """Count what fails in the former store against the present one."""
    from documents.vault import places

    put(where=places, name="is_former", value=lambda **_url: False)


def _canary_stops_all() -> None:
    """Count what fails at the canary bucket against the vault."""
    from documents.vault import store

    guarded = store.guarded

    def blamed(*, dependency: str = "", **call: Any) -> object:
        return guarded(**call, dependency="vault" if dependency == "vault_canary" else dependency)

    put(where=store, name="guarded", value=blamed)


def _mail_gives_up() -> None:
    """Let a mail bounce whose server was away once."""
    from documents.delivery import outbox, single_mails

    for channel in list(outbox.PATIENCE):
        outbox.PATIENCE[channel] = dt.timedelta(0)
    single_mails.PATIENCE = dt.timedelta(0)


def _nobody_polls() -> None:
    """Let workers do only what the broker tells them."""
    from documents.operations import sweeper

    put(where=sweeper, name="work_off", value=lambda **_now: 0)


def _accepts_what_is_not_saved() -> None:
    """Answer 200 to a sender whose event could not be stored."""
    from documents.access import problems

    respond = problems.respond

    def accepted(*, request: HttpRequest, problem: errors.Problem) -> HttpResponse:
        if request.path == "/api/v1/events/" and problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
            return JsonResponse({"status": "processed"})
        return respond(request=request, problem=problem)

    put(where=problems, name="respond", value=accepted)


def _believes_the_renderer() -> None:
    """Rest a document for good whose first rendering failed, whatever the others do."""
    from documents.emission import locking, printing

    locking.TRIES_MAX = 1
    put(where=printing, name="fails", value=lambda: False)


def _ignores_the_clock() -> None:
    """Say that every clock is right."""
    from documents.resilience import clock
    from documents.vault import s3_probe, store

    def right() -> float:
        return 0.0

    put(where=clock, name="clock_skew_s", value=right)
    (store.lock.__kwdefaults__ or {})["skew_s"] = right
    put(where=s3_probe, name="check_clock", value=lambda **_now: None)


def _forgets_alerts() -> None:
    """Take an alert for sent whatever the channel says."""
    from documents.alerts import channel

    send = channel.send

    def sent(*, url: str, message: "alert_channel.AlertMessage") -> None:
        try:
            send(url=url, message=message)
        except OSError:
            return

    put(where=channel, name="send", value=functools.wraps(send)(sent))


PLANTS: Mapping[str, Callable[[], None]] = MappingProxyType(
    {
        "vault": _vault_gives_up,
        "vault_former": _former_stops_all,
        "vault_canary": _canary_stops_all,
        "mail": _mail_gives_up,
        "redis": _nobody_polls,
        "postgresql": _accepts_what_is_not_saved,
        "renderer": _believes_the_renderer,
        "clock": _ignores_the_clock,
        "alert_channel": _forgets_alerts,
        "alert_channel_2": _forgets_alerts,
    }
)
