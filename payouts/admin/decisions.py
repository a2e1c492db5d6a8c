"""TABLE: what finance decides about an event, a discrepancy or a document; each is asked for, and has its reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from django import forms as django_forms
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse_lazy
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.actions import Action
from documents import errors
from documents.admin import base, cells, confirm, rights
from documents.alerts import discrepancies
from documents.models import Discrepancy, Document, Event
from payouts.admin import forms, rows
from payouts.models import ApprovalState, DifferenceApproval
from payouts.review import corrections, difference_approval, dismissal, event_findings, retrying, worklist

if TYPE_CHECKING:
    from django.db.models import Model
    from django.utils.safestring import SafeString

HOME = "admin:payouts_differenceapproval_changelist"
DECIDES = "approve_difference"  # the right to act on the work list


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One row: its address on the work list, whose page asks for it, and what it asks."""

    pattern: str
    model: "type[Model]"
    asks: confirm.Confirmation[Any]


def _home(_row: "Model") -> str:
    return str(reverse_lazy(HOME))


def _of_event(event: Event) -> Sequence[base.Card]:
    return rows.cards(item=worklist.of_event(event, now=timezone.now()))


def _approval(event: Event) -> DifferenceApproval | None:
    """Return the proposal to issue a payout with its difference, if there is one."""
    return DifferenceApproval.objects.filter(event=event).exclude(state=ApprovalState.WITHDRAWN).first()


def _balances(*, event: Event) -> base.Card | None:
    """Return the card that says with which balances a payout would be issued now, and where they come from."""
    printed = event_findings.balances_of(event=event)
    if printed is None:
        return None

    def text(minor: int) -> "SafeString":
        return rows.written(minor=minor, currency=printed.currency, country=event.country_code)

    source = {
        "after": _("El saldo con que cerró %(payout)s."),
        "replaced": _("El saldo con que abrió %(payout)s, al que sustituye."),
        "first": _("No consta ningún pago anterior."),
        "unknown": _("El que dejaron los pagos anteriores: sustituye a %(payout)s, que no ha llegado. Compruébalo."),
    }[printed.cause]
    return base.Card(
        title=_("Saldos con que se emite"),
        facts=[
            base.Fact(label=_("Saldo inicial"), value=text(printed.opening_minor)),
            base.Fact(label=_("Saldo inicial declarado"), value=text(printed.stated_minor)),
            base.Fact(label=_("Saldo final"), value=text(printed.closing_minor)),
            base.Fact(label=_("De dónde sale"), value=source % {"payout": printed.payout}, wide=True),
        ],
    )


def _issued_so(event: Event) -> Sequence[base.Card]:
    printed = _balances(event=event)
    return [*_of_event(event), *([printed] if printed else [])]


def _proposal(event: Event) -> Sequence[base.Card]:
    approval = _approval(event)
    shown = [rows.proposal(approval=approval, country=event.country_code)] if approval else []
    return [*_issued_so(event), *shown]


def _request(made: confirm.Confirmed[Event]) -> None:
    difference_approval.request(event=made.row, reason=made.reason, user=made.user, now=made.now, actor=made.actor)


def _approve(made: confirm.Confirmed[Event]) -> bool:
    """Issue the payout that somebody else has proposed; False where nobody has."""
    approval = _approval(made.row)
    if approval is None:
        return False
    difference_approval.approve(approval=approval, reason=made.reason, user=made.user, now=made.now, actor=made.actor)
    return True


def _dismiss(made: confirm.Confirmed[Event]) -> None:
    dismissal.dismiss(
        event=made.row,
        reason=made.reason,
        document=made.form.cleaned_data["document"],
        user=made.user,
        now=made.now,
        actor=made.actor,
    )


def _retry(made: confirm.Confirmed[Event]) -> bool:
    """Try a held event again, and say what became of it; False where it is not held any more."""
    if not retrying.can_retry(event=made.row):
        return False
    result = retrying.retry(events=[made.row], user=made.user, now=made.now, actor=made.actor)
    rows.tell_outcome(request=made.request, result=result)
    return True


def _resolve(made: confirm.Confirmed[Discrepancy]) -> None:
    """Resolve an open discrepancy.

    :raises errors.Problem: `decision_not_possible`: it is resolved already
    """
    with transaction.atomic():
        is_open = Discrepancy.objects.filter(pk=made.row.pk, resolved_at=None).exists()
        if not is_open or not discrepancies.resolve(
            dedup_key=made.row.dedup_key, resolution=made.reason, actor=made.actor, now=made.now
        ):
            raise errors.Problem(code="decision_not_possible")


def _correct(made: confirm.Confirmed[Document]) -> None:
    form = cast("forms.CorrectionForm", made.form)
    corrections.correct(
        document=made.row,
        correction_id=form.cleaned_data["correction"],
        parts=form.parts(),
        gross_minor=form.gross_minor,
        reason=made.reason,
        user=made.user,
        now=made.now,
        actor=made.actor,
    )


def _dismissal_form(request: HttpRequest, _event: Event) -> django_forms.Form:
    return forms.DismissForm(confirm.sent(request), documents=rights.documents(request=request))


def _correction_form(request: HttpRequest, document: Document) -> django_forms.Form:
    remaining = corrections.remaining_creditable(document=document)
    return forms.CorrectionForm(confirm.sent(request), remaining=remaining, currency=document.currency)


def _remaining(document: Document) -> Sequence[base.Card]:
    remaining = corrections.remaining_creditable(document=document)
    return [rows.remaining_card(remaining=remaining, currency=document.currency, country=document.country_id)]


# TABLE: the decisions, by the names of their routes.
TABLE: Mapping[str, Decision] = MappingProxyType(
    {
        "request": Decision(
            pattern="event/<str:public_id>/request/",
            model=Event,
            asks=confirm.Confirmation(
                title=_("Proponer la emisión con diferencia"),
                text=_(
                    "El pago se emitirá con la línea «Diferencia en conciliación» cuando otra persona lo apruebe. "
                    "La discrepancia queda abierta hasta que se encuentre la causa."
                ),
                submit=_("Proponer"),
                right=DECIDES,
                audit=Action.EVENT_DIFFERENCE_REQUESTED,
                act=_request,
                done=_("Propuesta anotada: la tiene que aprobar otra persona de finanzas."),
                cards=_issued_so,
                back=_home,
            ),
        ),
        "approve": Decision(
            pattern="event/<str:public_id>/approve/",
            model=Event,
            asks=confirm.Confirmation(
                title=_("Aprobar la emisión con diferencia"),
                text=_("Se numera y se emite en el acto. No puede deshacerse: una corrección es otro documento."),
                submit=_("Aprobar y emitir"),
                right=DECIDES,
                audit=Action.EVENT_DIFFERENCE_APPROVED,
                act=_approve,
                done=_("Emitido con la diferencia impresa. La discrepancia sigue abierta."),
                not_now=_("Nadie ha propuesto emitirlo así."),
                blocked=lambda event: "" if _approval(event) else _("Nadie ha propuesto emitirlo así."),
                cards=_proposal,
                back=_home,
            ),
        ),
        "dismiss": Decision(
            pattern="event/<str:public_id>/dismiss/",
            model=Event,
            asks=confirm.Confirmation(
                title=_("Cerrar sin emitir"),
                text=_(
                    "El evento deja la lista y su alerta termina; no se numera nada. Si llega lo que espera o un "
                    "evento corregido, se emite igualmente; si se retiene por otra causa, vuelve a la lista."
                ),
                submit=_("Cerrar sin emitir"),
                right=DECIDES,
                audit=Action.EVENT_DISMISSED,
                act=_dismiss,
                done=_("Cerrado sin emitir: queda anotado quién y por qué."),
                form=_dismissal_form,
                cards=_of_event,
                back=_home,
                danger=True,
            ),
        ),
        "retry": Decision(
            pattern="event/<str:public_id>/retry/",
            model=Event,
            asks=confirm.Confirmation(
                title=_("Volver a intentar"),
                text=_(
                    "Se prueba otra vez el mismo evento, con lo que hay ahora: si lo que faltaba ya está, se numera y "
                    "se emite; si no, sigue retenido. No puede duplicarse."
                ),
                submit=_("Volver a intentar"),
                right=DECIDES,
                audit=Action.EVENT_RETRIED,
                form=confirm.no_form,
                act=_retry,
                not_now=_("Este evento ya no está retenido."),
                cards=_of_event,
                back=_home,
            ),
        ),
        "resolve": Decision(
            pattern="discrepancy/<str:public_id>/resolve/",
            model=Discrepancy,
            asks=confirm.Confirmation(
                title=_("Resolver la discrepancia"),
                text=_("Nada cambia en los documentos. Tu motivo queda en la bitácora y en la discrepancia."),
                submit=_("Resolver"),
                right=DECIDES,
                audit=Action.DISCREPANCY_RESOLVED,
                act=_resolve,
                done=_("Discrepancia resuelta: queda anotado quién y por qué."),
                cards=lambda gap: rows.cards(item=worklist.of_discrepancy(gap)),
                back=_home,
            ),
        ),
        "correct": Decision(
            pattern="document/<str:public_id>/correct/",
            model=Document,
            asks=confirm.Confirmation(
                title=_("Emitir una nota de crédito"),
                text=_(
                    "El documento original no cambia. La nota lo nombra, usa sus mismos tipos de impuesto "
                    "y nunca abona más de lo que queda. El motivo se imprime."
                ),
                submit=_("Emitir la nota de crédito"),
                right="correct",
                audit=Action.DOCUMENT_CORRECTED,
                instead=(Action.DOCUMENT_REPEATED,),  # the same form sent twice credits once
                act=_correct,
                done=_("Nota de crédito emitida: se resguarda y se envía al titular."),
                form=_correction_form,
                blocked=lambda document: (
                    ""
                    if corrections.remaining_creditable(document=document)
                    else _("De este documento no queda nada que abonar.")
                ),
                cards=_remaining,
                back=cells.page,
            ),
        ),
    }
)
