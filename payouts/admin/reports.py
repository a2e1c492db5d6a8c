"""The trips that people miss, in the Document Center: what they say of them, and the answer that they see."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from audit.actions import Action
from documents.admin import base, cells, confirm, filters, rights, timeline
from documents.admin.site import site
from payouts.accounts import reports
from payouts.models import TripReport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import QuerySet
    from django.utils.functional import _StrPromise
    from django.utils.safestring import SafeString


def _answered(row: TripReport) -> "_StrPromise | str":
    """Say why there is nothing to answer."""
    return _("Ya está respondido.") if row.answered_at else ""


ANSWER: confirm.Confirmation[TripReport] = confirm.Confirmation(
    title=_("Responder"),
    text=_("Quien avisó lee en su panel lo que escribas como motivo. No pongas datos de otras personas."),
    submit=_("Enviar la respuesta"),
    right=reports.ANSWERS,
    audit=Action.REPORT_ANSWERED,
    act=lambda made: reports.answer(report=made.row, text=made.reason, user=made.user, now=made.now, actor=made.actor),
    done=_("Respuesta enviada: quien avisó la ve en su panel."),
    not_now=_("Ya está respondido."),
    cards=lambda row: [_card(row)],
    blocked=_answered,
)


def _card(row: TripReport) -> base.Card:
    """Return what was reported, and the answer."""
    facts = [
        base.Fact(label=_("Viaje"), value=row.trip),
        base.Fact(label=_("Titular"), value=row.party.platform_id),
        base.Fact(label=_("Avisado el"), value=cells.moment(row.reported_at)),
        base.Fact(label=_("Qué falta"), value=row.note, wide=True),
    ]
    if row.answered_by:
        facts += [
            base.Fact(label=_("Respuesta"), value=row.answer, wide=True),
            base.Fact(label=_("Respondido por"), value=row.answered_by.get_username()),
            base.Fact(label=_("Respondido el"), value=cells.moment(row.answered_at)),
        ]
    return base.Card(title=_("Resumen"), facts=facts)


@admin.register(TripReport, site=site)
class TripReportAdmin(base.DocumentCenterAdmin[TripReport]):
    """The reports of the caller's countries, newest first."""

    checked_scope = "country_id"
    viewed = Action.REPORT_VIEWED
    list_display = ("trip", "party_cell", "country_cell", "reported_cell", "answered_cell")
    list_display_links = ("trip",)
    list_filter = (filters.CountryInScope,)

    def rows(self, *, request: HttpRequest) -> "QuerySet[TripReport]":
        """Join the party, the country and who answered."""
        return super().rows(request=request).select_related("party", "country", "answered_by")

    def pages(self) -> "Mapping[str, base.RowPage]":
        """Add the page on which a report is answered."""
        return {"answer": ANSWER.page(self)}

    @admin.display(description=_("titular"))
    def party_cell(self, row: TripReport) -> str:
        """Write the platform's id of who misses the trip."""
        return row.party.platform_id

    @admin.display(description=_("país"))
    def country_cell(self, row: TripReport) -> str:
        """Write the country's code."""
        return row.country_id

    @admin.display(description=_("avisado el"))
    def reported_cell(self, row: TripReport) -> "SafeString | str":
        """Write when it was reported."""
        return cells.moment(row.reported_at)

    @admin.display(description=_("respondido el"))
    def answered_cell(self, row: TripReport) -> "SafeString | str":
        """Write when it was answered."""
        return cells.moment(row.answered_at)

    def detail(self, *, request: HttpRequest, row: TripReport) -> dict[str, Any]:
        """Return the page of a report, with its answer or the way to it."""
        answers = rights.may(request=request, right=reports.ANSWERS) and row.answered_at is None
        return {
            "badges": [],
            "actions": [{"url": "answer/", "label": ANSWER.title}] if answers else [],
            "cards": [_card(row)],
            "timeline": timeline.lines(request=request, object_ids=[row.public_id]),
            "whole_log": True,
        }
