"""The work list in the Document Center ("Por conciliar"), and the decisions about discrepancies and documents.

Who has the right `reconcile` sees the list; only finance acts. Each action is asked for on its own page, done by POST
only, and recorded with its reason.
"""

from typing import TYPE_CHECKING, NamedTuple, cast

from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.actions import Action
from documents import errors
from documents.access import actors
from documents.access.admission import Ownership, Recorded, RowSource
from documents.admin import cells, events, paging, reasons, rights
from documents.admin.site import DocumentCenter, site
from documents.alerts import discrepancies
from documents.models import Discrepancy, Document, Event
from payouts.admin import event_actions, forms, rows
from payouts.models import DifferenceApproval
from payouts.review import corrections, worklist

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import Model
    from django.forms import Form

events.WORK_CARDS.append(rows.work_card)
PAGE_SIZE = 50
NAME = "payouts_differenceapproval"  # the beginning of the names of the routes
DECIDES = "approve_difference"  # the right to act on the list
_POST = frozenset({"POST"})


class Decision(NamedTuple):
    """What can be decided: its address, what it is about, the right that it needs, and what is recorded of it."""

    pattern: str
    model: "type[Model]"
    right: str
    audit: Recorded


# TABLE: the decisions, by the names of their routes and views.
DECISIONS = {
    "request": Decision(
        "event/<str:public_id>/request/",
        Event,
        DECIDES,
        Recorded(action=Action.EVENT_DIFFERENCE_REQUESTED, methods=_POST),
    ),
    "approve": Decision(
        "event/<str:public_id>/approve/",
        Event,
        DECIDES,
        Recorded(action=Action.EVENT_DIFFERENCE_APPROVED, methods=_POST),
    ),
    "dismiss": Decision(
        "event/<str:public_id>/close/", Event, DECIDES, Recorded(action=Action.EVENT_DISMISSED, methods=_POST)
    ),
    "resolve": Decision(
        "discrepancy/<str:public_id>/resolve/",
        Discrepancy,
        DECIDES,
        Recorded(action=Action.DISCREPANCY_RESOLVED, methods=_POST),
    ),
    "correct": Decision(
        "document/<str:public_id>/correct/",
        Document,
        "correct",
        Recorded(action=Action.DOCUMENT_CORRECTED, methods=_POST, instead=(Action.DOCUMENT_REPEATED,)),
    ),
}


@admin.register(DifferenceApproval, site=site)
class WorklistAdmin(event_actions.EventActionsAdmin):
    """The work list and its actions. Its rows are events and discrepancies; the model only gives it an address."""

    right = "reconcile"

    def get_urls(self) -> list[URLPattern]:
        """Return the list, and one address for each action."""
        start, safe = "payouts/conciliar/", ("GET", "HEAD")
        center = cast("DocumentCenter", self.admin_site)
        views = {
            "request": self.request_view,
            "approve": self.approve_view,
            "dismiss": self.dismiss_view,
            "resolve": self.resolve_view,
            "correct": self.correct_view,
        }
        worklist_page = center.page(
            start,
            self.list_view,
            name=f"{NAME}_changelist",
            right=self.right,
            ownership=Ownership.COUNTRIES,
            audit=self.listed,
            methods=safe,
        )
        return [
            worklist_page,
            *(
                center.page(
                    start + row.pattern,
                    cast("Callable[..., HttpResponse]", views[name]),
                    name=f"{NAME}_{name}",
                    right=row.right,
                    ownership=Ownership.COUNTRY,
                    audit=row.audit,
                    methods=(*safe, "POST"),
                    source=cast("RowSource", center.get_model_admin(row.model)),
                )
                for name, row in DECISIONS.items()
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
        pages = max(1, -(-len(items) // PAGE_SIZE))
        page = min(paging.number(text=request.GET.get("p", "1")) or 1, pages)
        shown = items[(page - 1) * PAGE_SIZE :][:PAGE_SIZE]
        context = {
            **self.admin_site.each_context(request),
            "title": _("Por conciliar"),
            "list_title": _("Por conciliar"),
            "tabs": rows.tabs(counts=counts, chosen=kind, home=reverse(event_actions.HOME)),
            "rows": [rows.row(item=item, request=request, now=now) for item in shown],
            "capped": any(count > worklist.EACH_MAX for count in counts.values()),
            "each_max": worklist.EACH_MAX,
            "kind": kind,
            "page_before": page - 1 if page > 1 else 0,
            "page_after": page + 1 if page < pages else 0,
            "page_number": page,
            "pages": pages,
            "actions": rights.may(request=request, right=DECIDES),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/dc/conciliar.html", context)

    # --- the actions about discrepancies and documents ---
    def resolve_view(self, request: HttpRequest, row: Discrepancy) -> HttpResponse:
        """Ask for a reason, and resolve an open discrepancy."""

        def resolve(form: "Form") -> None:
            with transaction.atomic():
                if not Discrepancy.objects.select_for_update().filter(pk=row.pk, resolved_at=None).exists():
                    raise errors.Problem(code="decision_not_possible")
                discrepancies.resolve(
                    dedup_key=row.dedup_key,
                    resolution=form.cleaned_data["reason"],
                    actor=actors.actor(request=request),
                    now=timezone.now(),
                )

        return self.decided(
            request=request,
            row=row,
            form=reasons.ReasonForm(request.POST or None),
            act=resolve,
            done=_("Discrepancia resuelta: queda anotado quién y por qué."),
            page={
                "title": _("Resolver la discrepancia"),
                "text": _("Nada cambia en los documentos. Tu motivo queda en la bitácora y en la discrepancia."),
                "submit": _("Resolver"),
                "cards": rows.cards(item=worklist.of_discrepancy(row)),
            },
        )

    def correct_view(self, request: HttpRequest, row: Document) -> HttpResponse:
        """Ask what to credit and why, and issue the credit note."""
        remaining = corrections.remaining_creditable(document=row)
        if not remaining:
            messages.warning(request, _("De este documento no queda nada que abonar."))
            return HttpResponseRedirect(cells.page(row))
        form = forms.CorrectionForm(request.POST or None, remaining=remaining, currency=row.currency)
        return self.decided(
            request=request,
            row=row,
            form=form,
            act=lambda _form: corrections.correct(
                document=row,
                correction_id=form.cleaned_data["correction"],
                parts=form.parts(),
                reason=form.cleaned_data["reason"],
                user=rights.person(request=request),
                now=timezone.now(),
                actor=actors.actor(request=request),
            ),
            done=_("Nota de crédito emitida: se resguarda y se envía al titular."),
            page={
                "title": _("Emitir una nota de crédito"),
                "text": _(
                    "El documento original no cambia. La nota lo nombra, usa sus mismos tipos de impuesto "
                    "y nunca abona más de lo que queda. El motivo se imprime."
                ),
                "submit": _("Emitir la nota de crédito"),
                "cards": [rows.remaining_card(remaining=remaining, currency=row.currency, country=row.country_id)],
            },
            back=cells.page(row),
        )
