"""The desk of finance in the Document Center: what is "Por conciliar", and the decisions that people take about it.

Everybody of the staff who may see the work list sees it; only finance acts. Each act is asked for on its own page,
done by POST only, and is on record with its reason.
"""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.actions import Action
from documents import access, discrepancies, errors
from documents.admin import base, cells, events, reasons, rights
from documents.admin.site import declared, site
from documents.models import Discrepancy, Document, Event
from payouts import corrections, desk_forms, desk_rows, settling, worklist
from payouts.models import RequestState, SettlementRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from django import forms
    from django.db.models import Model

events.WORK.append(desk_rows.work)
HOME = "admin:payouts_settlementrequest_changelist"
PAGE_SIZE = 50


def scope(*, request: HttpRequest) -> list[str] | None:
    """This function will return the codes of the caller's countries; None for one who sees them all."""
    return None if rights.everywhere(request=request) else rights.countries(request=request)


def found(*, request: HttpRequest, model: "type[Model]", public_id: str) -> Any:  # noqa: ANN401 - the model's row
    """This function will return one row of the caller's scope, as its own page in the Document Center would.

    :raises rights.Refused: outside of it
    :raises Http404: unknown
    """
    return site.get_model_admin(model).found(request=request, object_id=public_id)


def words(problem: errors.Problem) -> str:
    """This function will say in the reader's language why a decision cannot be taken."""
    return problem.row.en if cells.locale() == "en" else problem.row.es


@admin.register(SettlementRequest, site=site)
class DeskAdmin(base.DocumentCenterAdmin):
    """The work list and its acts; the rows are events and discrepancies, the model only gives the place."""

    right = "reconcile"

    def get_urls(self) -> list[URLPattern]:
        """This method will return the list, and one address for each act."""
        start = "payouts/conciliar/"
        rows: list[tuple[str, str, Callable[..., HttpResponse], str, Action | None]] = [
            ("", "changelist", self.list_view, "reconcile", None),
            (
                "event/<str:public_id>/request/",
                "request",
                self.request_view,
                "settle",
                Action.EVENT_SETTLEMENT_REQUESTED,
            ),
            (
                "event/<str:public_id>/approve/",
                "approve",
                self.approve_view,
                "settle",
                Action.EVENT_SETTLEMENT_APPROVED,
            ),
            (
                "discrepancy/<str:public_id>/resolve/",
                "resolve",
                self.resolve_view,
                "settle",
                Action.DISCREPANCY_RESOLVED,
            ),
            ("document/<str:public_id>/correct/", "correct", self.correct_view, "correct", Action.DOCUMENT_CORRECTED),
        ]
        return [
            declared(
                start + pattern,
                self.guarded(view),
                name=f"payouts_settlementrequest_{name}",
                roles=access.RIGHTS[right] & access.STAFF,
                owner="country",
                audit=action,
            )
            for pattern, name, view, right, action in rows
        ]

    # --- the list ---
    def list_view(self, request: HttpRequest) -> HttpResponse:
        """This method will show what waits, the oldest first; tabs by kind."""
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        kind = request.GET.get("kind", "")
        kind = kind if kind in worklist.KINDS else ""
        now, mine = timezone.now(), scope(request=request)
        items = worklist.items(countries=mine, now=now, kind=kind)
        counts = worklist.counts(countries=mine, now=now)
        number = request.GET.get("p", "1")
        pages = max(1, -(-len(items) // PAGE_SIZE))
        page = min(int(number), pages) if number.isascii() and number.isdigit() and 0 < len(number) < 5 else 1  # noqa: PLR2004 - digits
        shown = items[(max(page, 1) - 1) * PAGE_SIZE :][:PAGE_SIZE]
        context = {
            **self.admin_site.each_context(request),
            "title": _("Por conciliar"),
            "list_title": _("Por conciliar"),
            "tabs": desk_rows.tabs(counts=counts, chosen=kind, home=reverse(HOME)),
            "rows": [desk_rows.row(item=item, request=request, now=now) for item in shown],
            "capped": any(count > worklist.EACH_MAX for count in counts.values()),
            "each_max": worklist.EACH_MAX,
            "kind": kind,
            "page_before": page - 1 if page > 1 else 0,
            "page_after": page + 1 if page < pages else 0,
            "page_number": page,
            "pages": pages,
            "acts": rights.may(request=request, right="settle"),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/dc/conciliar.html", context)

    # --- the acts ---
    def request_view(self, request: HttpRequest, public_id: str) -> HttpResponse:
        """This method will ask for a reason, and propose to issue a payout with its difference."""
        rights.require(request=request, right="settle", object_type="event", object_id=public_id)
        event = found(request=request, model=Event, public_id=public_id)
        return self.decided(
            request=request,
            row=event,
            form=reasons.ReasonForm(request.POST or None),
            act=lambda form: settling.request_settlement(
                event=event,
                reason=form.cleaned_data["reason"],
                user=rights.person(request=request),
                now=timezone.now(),
                actor=access.actor(request=request),
            ),
            done=_("Propuesta anotada: la tiene que aprobar otra persona de finanzas."),
            asked={
                "title": _("Proponer la emisión con diferencia"),
                "text": _(
                    "El pago se emitirá con la línea «Diferencia en conciliación» cuando otra persona lo apruebe. "
                    "La discrepancia queda abierta hasta que se encuentre la causa."
                ),
                "submit": _("Proponer"),
                "cards": desk_rows.cards(item=worklist.of_event(event, now=timezone.now())),
            },
        )

    def approve_view(self, request: HttpRequest, public_id: str) -> HttpResponse:
        """This method will ask for a reason, and issue the payout that somebody else has proposed."""
        rights.require(request=request, right="settle", object_type="event", object_id=public_id)
        event = found(request=request, model=Event, public_id=public_id)
        asked = SettlementRequest.objects.filter(event=event).exclude(state=RequestState.WITHDRAWN).first()
        if asked is None:
            raise Http404
        return self.decided(
            request=request,
            row=event,
            form=reasons.ReasonForm(request.POST or None),
            act=lambda form: settling.approve_settlement(
                request=asked,
                reason=form.cleaned_data["reason"],
                user=rights.person(request=request),
                now=timezone.now(),
                actor=access.actor(request=request),
            ),
            done=_("Emitido con la diferencia impresa. La discrepancia sigue abierta."),
            asked={
                "title": _("Aprobar la emisión con diferencia"),
                "text": _("Se numera y se emite en el acto. No puede deshacerse: una corrección es otro documento."),
                "submit": _("Aprobar y emitir"),
                "cards": [
                    *desk_rows.cards(item=worklist.of_event(event, now=timezone.now())),
                    desk_rows.proposal(asked=asked),
                ],
            },
        )

    def resolve_view(self, request: HttpRequest, public_id: str) -> HttpResponse:
        """This method will ask for a reason, and close an open discrepancy."""
        rights.require(request=request, right="settle", object_type="discrepancy", object_id=public_id)
        gap = found(request=request, model=Discrepancy, public_id=public_id)

        def resolve(form: "forms.Form") -> None:
            with transaction.atomic():
                if not Discrepancy.objects.select_for_update().filter(pk=gap.pk, resolved_at=None).exists():
                    raise errors.Problem(code="settlement_not_possible")
                discrepancies.resolve(
                    dedup_key=gap.dedup_key,
                    resolution=form.cleaned_data["reason"],
                    actor=access.actor(request=request),
                    now=timezone.now(),
                )

        return self.decided(
            request=request,
            row=gap,
            form=reasons.ReasonForm(request.POST or None),
            act=resolve,
            done=_("Discrepancia resuelta: queda anotado quién y por qué."),
            asked={
                "title": _("Resolver la discrepancia"),
                "text": _("Nada cambia en los documentos. Tu motivo queda en la bitácora y en la discrepancia."),
                "submit": _("Resolver"),
                "cards": desk_rows.cards(item=worklist.of_discrepancy(gap)),
            },
        )

    def correct_view(self, request: HttpRequest, public_id: str) -> HttpResponse:
        """This method will ask what to credit and why, and issue the credit note."""
        rights.require(request=request, right="correct", object_type="document", object_id=public_id)
        document: Document = found(request=request, model=Document, public_id=public_id)
        remaining = corrections.left(document=document)
        if not remaining:
            messages.warning(request, _("De este documento no queda nada que abonar."))
            return HttpResponseRedirect(cells.page(document))
        form = desk_forms.CorrectionForm(request.POST or None, left=remaining, currency=document.currency)
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
                actor=access.actor(request=request),
            ),
            done=_("Nota de crédito emitida: se resguarda y se envía al titular."),
            asked={
                "title": _("Emitir una nota de crédito"),
                "text": _(
                    "El documento original no cambia. La nota lo nombra, usa sus mismos tipos de impuesto "
                    "y nunca abona más de lo que queda. El motivo se imprime."
                ),
                "submit": _("Emitir la nota de crédito"),
                "cards": [desk_rows.remaining(left=remaining, currency=document.currency)],
            },
            back=cells.page(document),
        )

    def decided(
        self,
        *,
        request: HttpRequest,
        row: "Model",
        form: "forms.Form",
        act: "Callable[[forms.Form], object]",
        done: str,
        asked: dict[str, Any],
        back: str = "",
    ) -> HttpResponse:
        """This method will ask on GET; on POST take the decision and go back, or say why it cannot be taken."""
        status = 200
        if request.method == "POST":
            status = 400
            if form.is_valid():
                try:
                    act(form)
                except errors.Problem as problem:
                    form.add_error(None, words(problem))
                    status = problem.row.status
                else:
                    messages.success(request, done)
                    return HttpResponseRedirect(back or reverse(HOME))
        elif request.method != "GET":
            return HttpResponseNotAllowed(["GET", "POST"])
        return self.render(
            request=request,
            row=row,
            template="admin/dc/confirm.html",
            context={**asked, "form": form, "page": back or reverse(HOME), "model_meta": row._meta},  # noqa: SLF001 - Django's public API
            status=status,
        )
