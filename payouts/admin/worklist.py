"""The work list in the Document Center ("Por conciliar"), and the decisions about discrepancies and documents.

Who has the right `reconcile` sees the list; only finance acts. Each action is asked for on its own page, done by POST
only, and recorded with its reason.
"""

from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.actions import Action
from documents import errors
from documents.access import actors, roles
from documents.admin import cells, events, paging, reasons, rights
from documents.admin.site import declared, site
from documents.alerts import discrepancies
from documents.models import Discrepancy, Document
from payouts.admin import event_actions, forms, rows
from payouts.models import DifferenceApproval
from payouts.review import corrections, worklist

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.forms import Form

events.WORK_CARDS.append(rows.work_card)
PAGE_SIZE = 50
DECIDES = "approve_difference"  # the right to act on the list


def scope(*, request: HttpRequest) -> list[str] | None:
    """Return the codes of the caller's countries; None for one who sees them all."""
    return None if rights.everywhere(request=request) else rights.countries(request=request)


@admin.register(DifferenceApproval, site=site)
class WorklistAdmin(event_actions.EventActionsAdmin):
    """The work list and its actions. Its rows are events and discrepancies; the model only gives it an address."""

    right = "reconcile"

    def get_urls(self) -> list[URLPattern]:
        """Return the list, and one address for each action."""
        start = "payouts/conciliar/"
        pages: list[tuple[str, str, Callable[..., HttpResponse], str, Action | None]] = [
            ("", "changelist", self.list_view, "reconcile", None),
            (
                "event/<str:public_id>/request/",
                "request",
                self.request_view,
                DECIDES,
                Action.EVENT_DIFFERENCE_REQUESTED,
            ),
            ("event/<str:public_id>/approve/", "approve", self.approve_view, DECIDES, Action.EVENT_DIFFERENCE_APPROVED),
            ("event/<str:public_id>/close/", "dismiss", self.dismiss_view, DECIDES, Action.EVENT_DISMISSED),
            (
                "discrepancy/<str:public_id>/resolve/",
                "resolve",
                self.resolve_view,
                DECIDES,
                Action.DISCREPANCY_RESOLVED,
            ),
            ("document/<str:public_id>/correct/", "correct", self.correct_view, "correct", Action.DOCUMENT_CORRECTED),
        ]
        return [
            declared(
                start + pattern,
                self.guarded(view),
                name=f"payouts_differenceapproval_{name}",
                roles=roles.RIGHTS[right] & roles.STAFF,
                owner="country",
                audit=action,
            )
            for pattern, name, view, right, action in pages
        ]

    # --- the list ---
    def offered(self) -> frozenset[str]:
        """Return the query parameters of the list: a kind and a page."""
        return frozenset({"kind", "p"})

    def list_view(self, request: HttpRequest) -> HttpResponse:
        """Show the items, the oldest first, with a tab for each kind."""
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        self.check_asked(request=request)
        kind = request.GET.get("kind", "")
        kind = kind if kind in worklist.KINDS else ""
        now, mine = timezone.now(), scope(request=request)
        items = worklist.items(countries=mine, now=now, kind=kind)
        counts = worklist.counts(countries=mine, now=now)
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
    def resolve_view(self, request: HttpRequest, public_id: str) -> HttpResponse:
        """Ask for a reason, and resolve an open discrepancy."""
        rights.require(request=request, right=DECIDES, object_type="discrepancy", object_id=public_id)
        gap = event_actions.get_row(request=request, model=Discrepancy, public_id=public_id)

        def resolve(form: "Form") -> None:
            with transaction.atomic():
                if not Discrepancy.objects.select_for_update().filter(pk=gap.pk, resolved_at=None).exists():
                    raise errors.Problem(code="decision_not_possible")
                discrepancies.resolve(
                    dedup_key=gap.dedup_key,
                    resolution=form.cleaned_data["reason"],
                    actor=actors.actor(request=request),
                    now=timezone.now(),
                )

        return self.decided(
            request=request,
            row=gap,
            form=reasons.ReasonForm(request.POST or None),
            act=resolve,
            done=_("Discrepancia resuelta: queda anotado quién y por qué."),
            page={
                "title": _("Resolver la discrepancia"),
                "text": _("Nada cambia en los documentos. Tu motivo queda en la bitácora y en la discrepancia."),
                "submit": _("Resolver"),
                "cards": rows.cards(item=worklist.of_discrepancy(gap)),
            },
        )

    def correct_view(self, request: HttpRequest, public_id: str) -> HttpResponse:
        """Ask what to credit and why, and issue the credit note."""
        rights.require(request=request, right="correct", object_type="document", object_id=public_id)
        document: Document = event_actions.get_row(request=request, model=Document, public_id=public_id)
        remaining = corrections.remaining_creditable(document=document)
        if not remaining:
            messages.warning(request, _("De este documento no queda nada que abonar."))
            return HttpResponseRedirect(cells.page(document))
        form = forms.CorrectionForm(request.POST or None, remaining=remaining, currency=document.currency)
        return self.decided(
            request=request,
            row=document,
            form=form,
            act=lambda _form: corrections.correct(
                document=document,
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
                "cards": [
                    rows.remaining_card(remaining=remaining, currency=document.currency, country=document.country_id)
                ],
            },
            back=cells.page(document),
        )
