"""What finance does about an event: propose to issue it with its difference, approve that, dismiss it.

Each action is asked for on its own page, done by POST only, and recorded with its reason.
"""

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from documents import errors
from documents.access import actors
from documents.admin import base, cells, navigation, reasons, rights
from documents.models import Event
from payouts.admin import forms, rows
from payouts.models import ApprovalState, DifferenceApproval
from payouts.review import difference_approval, dismissal, worklist

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import Model
    from django.forms import Form

HOME = "admin:payouts_differenceapproval_changelist"


def problem_text(problem: errors.Problem) -> str:
    """Say in the reader's language why a decision cannot be taken."""
    return problem.row.en if cells.locale() == "en" else problem.row.es


class EventActionsAdmin(base.DocumentCenterAdmin[DifferenceApproval]):
    """The pages on which the actions about events are asked for."""

    def request_view(self, request: HttpRequest, row: Event) -> HttpResponse:
        """Ask for a reason, and propose to issue a payout with its difference."""
        return self.decided(
            request=request,
            row=row,
            form=reasons.ReasonForm(request.POST or None),
            act=lambda form: difference_approval.request(
                event=row,
                reason=form.cleaned_data["reason"],
                user=rights.person(request=request),
                now=timezone.now(),
                actor=actors.actor(request=request),
            ),
            done=_("Propuesta anotada: la tiene que aprobar otra persona de finanzas."),
            page={
                "title": _("Proponer la emisión con diferencia"),
                "text": _(
                    "El pago se emitirá con la línea «Diferencia en conciliación» cuando otra persona lo apruebe. "
                    "La discrepancia queda abierta hasta que se encuentre la causa."
                ),
                "submit": _("Proponer"),
                "cards": rows.cards(item=worklist.of_event(row, now=timezone.now())),
            },
        )

    def approve_view(self, request: HttpRequest, row: Event) -> HttpResponse:
        """Ask for a reason, and issue the payout that somebody else has proposed."""
        approval = DifferenceApproval.objects.filter(event=row).exclude(state=ApprovalState.WITHDRAWN).first()
        if approval is None:
            raise Http404
        return self.decided(
            request=request,
            row=row,
            form=reasons.ReasonForm(request.POST or None),
            act=lambda form: difference_approval.approve(
                approval=approval,
                reason=form.cleaned_data["reason"],
                user=rights.person(request=request),
                now=timezone.now(),
                actor=actors.actor(request=request),
            ),
            done=_("Emitido con la diferencia impresa. La discrepancia sigue abierta."),
            page={
                "title": _("Aprobar la emisión con diferencia"),
                "text": _("Se numera y se emite en el acto. No puede deshacerse: una corrección es otro documento."),
                "submit": _("Aprobar y emitir"),
                "cards": [
                    *rows.cards(item=worklist.of_event(row, now=timezone.now())),
                    rows.proposal(approval=approval, country=row.country_code),
                ],
            },
        )

    def dismiss_view(self, request: HttpRequest, row: Event) -> HttpResponse:
        """Ask for a reason, and take the event off the list without issuing it."""
        return self.decided(
            request=request,
            row=row,
            form=forms.DismissForm(request.POST or None, documents=rights.documents(request=request)),
            act=lambda form: dismissal.dismiss(
                event=row,
                reason=form.cleaned_data["reason"],
                document=form.cleaned_data["document"],
                user=rights.person(request=request),
                now=timezone.now(),
                actor=actors.actor(request=request),
            ),
            done=_("Cerrado sin emitir: queda anotado quién y por qué."),
            page={
                "title": _("Cerrar sin emitir"),
                "text": _(
                    "El evento deja la lista y su alerta termina; no se numera nada. Si llega lo que espera o un "
                    "evento corregido, se emite igualmente; si se retiene por otra causa, vuelve a la lista."
                ),
                "submit": _("Cerrar sin emitir"),
                "danger": True,
                "cards": rows.cards(item=worklist.of_event(row, now=timezone.now())),
            },
        )

    def decided(
        self,
        *,
        request: HttpRequest,
        row: "Model",
        form: "Form",
        act: "Callable[[Form], object]",
        done: str,
        page: dict[str, Any],
        back: str = "",
    ) -> HttpResponse:
        """Ask on GET; on POST take the decision and go back, or say why it cannot be taken."""
        status = 200
        if request.method == "POST":
            status = 400
            if form.is_valid():
                try:
                    act(form)
                except errors.Problem as problem:
                    form.add_error(None, problem_text(problem))
                    status = problem.row.status
                else:
                    navigation.forget(request=request)
                    messages.success(request, done)
                    return HttpResponseRedirect(back or reverse(HOME))
        return self.render(
            request=request,
            row=row,
            template="admin/dc/confirm.html",
            context={**page, "form": form, "page": back or reverse(HOME), "model_meta": row._meta},
            status=status,
        )
