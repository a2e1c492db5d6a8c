"""The one table of discrepancies: title, sides, sentences, severity, runbook and owner of each code."""

from collections.abc import Mapping
from dataclasses import dataclass

from documents.alerts.owners import Owner
from documents.countries.sources import Words


@dataclass(frozen=True, kw_only=True)
class DiscrepancyRow:
    """One discrepancy: its title, the facts that were expected and that came, and its sentences.

    One with a sentence `by_day` has no alert of its own: one alert an issuer and day lists all that are open.
    """

    title: Words
    sentences: Mapping[str, Words]
    sides: tuple[str, str] = ("", "")
    severity: str = "P2"
    page: str = "discrepancies.md"
    owner: Owner = Owner.FINANCE
    by_day: Words | None = None


def _alone(es: str, en: str) -> Mapping[str, Words]:
    return {"": Words(es=es, en=en)}


DISCREPANCIES: Mapping[str, DiscrepancyRow] = {
    "divergent_repeat": DiscrepancyRow(
        title=Words(es="Repetido con otros datos", en="Repeated with other data"),
        sentences={
            "": Words(
                es="El mismo hecho llegó otra vez con otros datos; vale el primero.",
                en="The same fact came again with other data; the first stands.",
            ),
            "changed": Words(
                es="El mismo hecho llegó otra vez y cambia {places:all}; vale el primero.",
                en="The same fact came again and changes {places:all}; the first stands.",
            ),
        },
    ),
    "event_id_reused": DiscrepancyRow(
        title=Words(es="Id de evento reutilizado", en="Event id used twice"),
        sides=("first_total", "other_total"),
        sentences=_alone(
            "Dos hechos distintos llegaron con el mismo id; vale el primero.",
            "Two different facts came with the same id; the first stands.",
        ),
    ),
    "paid_twice": DiscrepancyRow(
        title=Words(es="Pagado dos veces", en="Paid twice"),
        sides=("earned", "settled"),
        sentences=_alone(
            "Se pagó más de lo ganado con {payouts}; se resuelve sola si uno vuelve.",
            "More was paid than earned with {payouts}; it is resolved by itself if one comes back.",
        ),
    ),
    "paid_to_former_owner": DiscrepancyRow(
        title=Words(es="Pagado al titular anterior", en="Paid to the former owner"),
        sides=("earned", "settled"),
        sentences=_alone(
            "El pedido {order} es ahora de {owner}, y a {payee} se le pagó con {payouts}: se le deben {earned:amount} "
            "y tiene {settled:amount}. Se cierra sola si el pago vuelve, o cuando otro descuente el abono.",
            "The order {order} is {owner}'s now, and {payee} was paid for it with {payouts}: {earned:amount} is owed "
            "of it and {settled:amount} was paid. It closes by itself if the payout comes back, or when another takes "
            "the credit note off.",
        ),
    ),
    "paid_for_canceled": DiscrepancyRow(
        title=Words(es="Pagado un pedido cancelado", en="Paid for a canceled order"),
        sides=("earned", "settled"),
        sentences=_alone(
            "El pedido {order} se canceló, y a {payee} se le pagó con {payouts}: se le deben {earned:amount} y tiene "
            "{settled:amount}. Se cierra sola si el pago vuelve, o cuando otro descuente el abono.",
            "The order {order} was canceled, and {payee} was paid for it with {payouts}: {earned:amount} is owed of it "
            "and {settled:amount} was paid. It closes by itself if the payout comes back, or when another takes the "
            "credit note off.",
        ),
    ),
    "cash_differs": DiscrepancyRow(
        title=Words(es="Efectivo distinto", en="Cash differs"),
        sides=("declared", "collected"),
        sentences=_alone(
            "{orders:all}: los pedidos declaran {declared:amount} en efectivo y el pago descuenta {collected:amount}.",
            "{orders:all}: the orders declare {declared:amount} of cash, and the payout takes off {collected:amount}.",
        ),
        by_day=Words(
            es="{count} pagos de {issuer} del {day} no descuentan el efectivo que declaran sus pedidos: {documents}.",
            en="{count} payouts of {issuer} on {day} do not take off the cash that their orders declare: {documents}.",
        ),
    ),
    "withheld_twice": DiscrepancyRow(
        title=Words(es="Retención fiscal repetida", en="Withheld twice"),
        sides=("withheld_by_orders", "withheld_by_payout"),
        sentences=_alone(
            "{withholdings:all}: los pedidos ya retuvieron {withheld_by_orders:amount} y el pago retiene otra vez "
            "{withheld_by_payout:amount}.",
            "{withholdings:all}: the orders withheld {withheld_by_orders:amount} already, and the payout withholds "
            "{withheld_by_payout:amount} again.",
        ),
    ),
    "returned_less": DiscrepancyRow(
        title=Words(es="Devuelto de menos", en="Returned less"),
        sides=("sent", "returned"),
        sentences=_alone(
            "Del pago {payout} volvieron {returned:amount} de {sent:amount}, y no consta ninguna comisión.",
            "Of the payout {payout} {returned:amount} of {sent:amount} came back, and no fee is stated.",
        ),
    ),
    "reconciliation_difference": DiscrepancyRow(
        title=Words(es="Diferencia en conciliación", en="Difference in reconciliation"),
        sides=("computed", "transferred"),
        sentences={
            "": Words(
                es="Emitido por dos personas con la diferencia impresa; falta encontrarla.",
                en="Issued by two people with its difference printed; it has yet to be found.",
            ),
            "opening": Words(
                es="Emitido por dos personas: la diferencia es el saldo inicial, que no consta.",
                en="Issued by two people: the difference is the opening balance, of which nothing is known.",
            ),
        },
    ),
    "balance_chain_broken": DiscrepancyRow(
        title=Words(es="Saldos que no enlazan", en="Balances that do not follow"),
        sides=("closing_before", "opening"),
        sentences=_alone(
            "El saldo inicial no es el que dejó {payout_before}.",
            "The opening balance is not what {payout_before} left.",
        ),
    ),
    "books_differ": DiscrepancyRow(
        title=Words(es="Libros que no cuadran", en="Books that differ"),
        sentences=_alone(
            "Lo liquidado y lo transferido a este beneficiario no suman lo mismo.",
            "What was settled and what was transferred to this payee do not come to the same.",
        ),
    ),
    "payout_and_statement_differ": DiscrepancyRow(
        title=Words(es="Pago y comprobante distintos", en="Payout and statement differ"),
        sides=("amount", "statement_amount"),
        sentences=_alone(
            "El pago y su comprobante no dicen lo mismo.", "The payout and its statement do not say the same."
        ),
    ),
    "payout_status_differs": DiscrepancyRow(
        title=Words(es="Estado del pago dudoso", en="Doubtful payout status"),
        sentences=_alone(
            "El estado del pago no es el que dicen sus partidas.", "The payout status is not what its settlements say."
        ),
    ),
    "event_and_document_differ": DiscrepancyRow(
        title=Words(es="Evento y documento distintos", en="Event and document differ"),
        sides=("document_prints", "event_states"),
        sentences=_alone(
            "El evento y el documento dicen otra cosa en {field}.", "Event and document differ at {field}."
        ),
    ),
    "event_without_document": DiscrepancyRow(
        title=Words(es="Evento sin documento", en="Event without document"),
        sentences=_alone(
            "Consta como procesado y falta lo que debió emitir.",
            "It counts as processed, and what it should have issued is not there.",
        ),
    ),
    "refund_status_differs": DiscrepancyRow(
        title=Words(es="Estado de la devolución dudoso", en="Doubtful refund status"),
        sentences=_alone(
            "El estado de la devolución de {number} no es el que dicen sus eventos.",
            "The refund status of {number} is not what its events say.",
        ),
    ),
    "canceled_fact_differs": DiscrepancyRow(
        title=Words(es="Cancelación dudosa", en="Doubtful cancellation"),
        sentences={
            "ignored_and_issued": Words(
                es="{event} consta como ignorado por cancelado, y está emitido: {document}.",
                en="{event} counts as ignored because it was canceled, and it is issued: {document}.",
            ),
            "ignored_alone": Words(
                es="{event} consta como ignorado por cancelado, y no hay cancelación de {subject}.",
                en="{event} counts as ignored because it was canceled, and there is no cancellation of {subject}.",
            ),
            "asleep": Words(
                es="{event} espera todavía, y lo que cancela ya llegó.",
                en="{event} waits still, and what it cancels has come.",
            ),
            "not_whole": Words(
                es="{event} está procesado, y de {document} queda algo sin abonar.",
                en="{event} is processed, and something of {document} is not credited.",
            ),
        },
    ),
    "document_does_not_add_up": DiscrepancyRow(
        title=Words(es="Documento que no suma", en="Document that does not add up"),
        sides=("found", "stated"),
        sentences=_alone(
            "Las líneas y los totales del documento no suman lo mismo: {law:title}.",
            "The lines and totals of the document do not add up: {law:title}.",
        ),
    ),
}
