"""The work list in the Document Center ("Por conciliar"), and the decisions about discrepancies and documents.

Who has the right `reconcile` sees the list; only finance acts. Each decision is asked for on its own page, done by POST
only, and recorded with its reason. Held events are also tried again from the list itself, which decides nothing.
"""

from http import HTTPStatus
from typing import cast

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.actions import Action
from documents.access import actors
from documents.access.admission import Ownership, Recorded, RowSource
from documents.admin import base, events, issuers, navigation, paging, rights
from documents.admin.site import DocumentCenter, site
from payouts.admin import decisions, rows
from payouts.models import DifferenceApproval
from payouts.review import retrying, worklist

events.WORK_CARDS.append(rows.work_card)
PAGE_SIZE = 50
NAME = "payouts_differenceapproval"  # the beginning of the names of the routes


@admin.register(DifferenceApproval, site=site)
class WorklistAdmin(base.DocumentCenterAdmin[DifferenceApproval]):
    """The work list and its actions. Its rows are events and discrepancies; the model only gives it an address."""

    right = "reconcile"

    def get_urls(self) -> list[URLPattern]:
        """Return the list, and one address for each action."""
        start, safe = "payouts/conciliar/", ("GET", "HEAD")
        center = cast("DocumentCenter", self.admin_site)
        worklist_page = center.page(
            start,
            self.list_view,
            name=f"{NAME}_changelist",
            right=self.right,
            ownership=Ownership.COUNTRIES,
            audit=self.listed,
            methods=safe,
        )
        retry_page = center.page(
            f"{start}retry/",
            self.retry_view,
            name=f"{NAME}_retry_several",
            right=decisions.DECIDES,
            ownership=Ownership.COUNTRIES,
            audit=Recorded(action=Action.EVENT_RETRIED, acts=True),
            methods=("POST",),
        )
        return [
            worklist_page,
            retry_page,
            *(
                center.page(
                    start + row.pattern,
                    asked.view,
                    name=f"{NAME}_{name}",
                    right=asked.right,
                    ownership=Ownership.COUNTRY,
                    audit=asked.audit,
                    methods=asked.methods,
                    source=cast("RowSource", center.get_model_admin(row.model)),
                )
                for name, row in decisions.TABLE.items()
                for asked in [row.asks.page(self)]
            ),
        ]

    # --- the list ---
    def offered(self) -> frozenset[str]:
        """Return the query parameters of the list: a kind and a page."""
        return frozenset({"kind", "p"})

    def list_view(self, request: HttpRequest, countries: list[str] | None) -> HttpResponse:
        """Show the items, the oldest first, with a tab for each kind."""
        self.check_asked(request=request)
        kind = request.GET.get("kind", "")
        kind = kind if kind in worklist.KINDS else ""
        now = timezone.now()
        items = worklist.items(countries=countries, now=now, kind=kind)
        counts = worklist.counts(countries=countries, now=now)
        acts = rights.may(request=request, right=decisions.DECIDES)
        codes = retrying.codes(countries=countries) if acts else {}
        pages = max(1, -(-len(items) // PAGE_SIZE))
        page = min(paging.number(text=request.GET.get("p", "1")) or 1, pages)
        shown = items[(page - 1) * PAGE_SIZE :][:PAGE_SIZE]
        context = {
            **self.admin_site.each_context(request),
            "title": _("Por conciliar"),
            "list_title": _("Por conciliar"),
            "tabs": rows.tabs(counts=counts, chosen=kind, home=reverse(decisions.HOME)),
            "rows": [rows.row(item=item, request=request, now=now) for item in shown],
            "capped": any(count > worklist.EACH_MAX for count in counts.values()),
            "each_max": worklist.EACH_MAX,
            "kind": kind,
            "page_before": page - 1 if page > 1 else 0,
            "page_after": page + 1 if page < pages else 0,
            "page_number": page,
            "pages": pages,
            "actions": acts,
            "paused": issuers.paused(countries=countries),
            "retry_choices": rows.retry_choices(codes=codes) if codes else (),
            "retry_url": reverse(f"admin:{NAME}_retry_several"),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/dc/conciliar.html", context)

    # --- several at once ---
    def retry_view(self, request: HttpRequest, countries: list[str] | None) -> HttpResponse:
        """Try the chosen events again, or all of a code, and say what became of them."""
        events, code = retrying.retriable(countries=countries), request.POST.get("code", "")
        chosen = list(events.filter(code=code) if code else events.filter(public_id__in=request.POST.getlist("event")))
        if not chosen:
            messages.warning(request, _("Elige al menos un evento retenido."))
            response = self.list_view(request, countries)
            response.status_code = HTTPStatus.CONFLICT
            return response
        result = retrying.retry(
            events=chosen,
            user=rights.person(request=request),
            now=timezone.now(),
            actor=actors.actor(request=request),
        )
        navigation.forget(request=request)
        rows.tell_outcome(request=request, result=result)
        return HttpResponseRedirect(reverse(decisions.HOME))
