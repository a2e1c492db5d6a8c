"""The sentences of problems and faults: code, or `code.cause` where a code has several; and the words for causes.

What is not here has its title in `errors.CODES` as its sentence. `{place}` is the pointer of a fault.
"""

from collections.abc import Mapping

from documents.countries.sources import Words
from documents.sentences import bodies, custody, series

SEVERAL = Words(es="Hay {count} fallos; el primero: {first}", en="{count} faults; the first: {first}")

_EVENTS: Mapping[str, Words] = {
    "internal_error.event_not_stored": Words(
        es="El evento no se ha guardado: envíalo otra vez.", en="The event is not stored: send it again."
    ),
    "internal_error.event_waits": Words(
        es="El evento está guardado y se reintenta solo; si se envía otra vez, se intenta en el acto.",
        en="The event is stored and is run again by itself; sent again, it is run at once.",
    ),
    "internal_error.held": Words(
        es="Falló la emisión por un defecto del servicio: se reintenta sola, y el equipo técnico está avisado.",
        en="Issuing failed by a defect of the service: it is tried again by itself, and the technical team knows.",
    ),
    "internal_error.no_try_ended": Words(es="Ningún intento llegó a terminar.", en="No try came to its end."),
    "validation_error.amount": Words(es="«{text}» no es un importe.", en="“{text}” is not an amount."),
    "validation_error.decimals": Words(
        es="«{text}» tiene más de {digits} decimales.", en="“{text}” has more than {digits} decimals."
    ),
    "validation_error.rate": Words(es="«{text}» no es un tipo.", en="“{text}” is not a rate."),
    "validation_error.too_large": Words(
        es="La suma de las líneas pasa del importe máximo ({total:title}).",
        en="The sum of the lines is larger than any amount may be ({total:title}).",
    ),
    "validation_error.no_address": Words(
        es="El titular no tiene dirección de correo.", en="The owner has no e-mail address on file."
    ),
    "validation_error.shared_link": Words(
        es="Un enlace compartido no se reenvía: su titular puede hacer otro.",
        en="A shared link is not sent again: its owner can make another one.",
    ),
    "validation_error.correction": Words(
        es="Una corrección lleva un id y abona algo.", en="A correction has an id, and credits something."
    ),
    "reason": Words(
        es="El motivo lleva de {min} a {max} caracteres imprimibles.",
        en="The reason has {min} to {max} printable characters.",
    ),
    "currency_unsupported.not_iso": Words(
        es="{currency} no es una moneda ISO 4217.", en="{currency} is not an ISO 4217 currency."
    ),
    "currency_unsupported": Words(
        es="Viene en {currency}: no es la moneda de {country}, {expected}.",
        en="It comes in {currency}: that is not the currency of {country}, {expected}.",
    ),
    "currency_unsupported.document": Words(es="{document} está en {expected}.", en="{document} is in {expected}."),
    "country_unsupported": Words(
        es="El país {country} no se emite aquí; se emiten {known}.",
        en="The country {country} is not issued here; supported: {known}.",
    ),
    "country_unsupported.document": Words(
        es="{document} es de {expected}, no de {country}.", en="{document} is of {expected}, not of {country}."
    ),
    "issuer_unknown": Words(
        es="«{issuer}» no es un emisor de {country}.", en="“{issuer}” is not an issuer of {country}."
    ),
    "issuer_unknown.document": Words(
        es="{document} es de otro emisor, no de «{issuer}».", en="{document} is another issuer's, not of “{issuer}”."
    ),
    "tax_code_unknown": Words(
        es="«{tax}» no es un código de impuesto de {country} ({place}); lo son {known}.",
        en="“{tax}” is not a tax code of {country} ({place}); known: {known}.",
    ),
    "tax_rate_not_in_force": Words(
        es="«{tax}» no está en vigor en {country} el {date} ({place}).",
        en="“{tax}” is not in force in {country} on {date} ({place}).",
    ),
    "tax_id_invalid.check_digit": Words(
        es="El dígito de control del {name} de {party} no corresponde: corrige el número ({place}). Si es otro "
        "documento, indica su tipo en {place}_type: {known}.",
        en="The check digit of the {name} of {party} does not match: correct the number ({place}). If it is another "
        "document, state its type in {place}_type: {known}.",
    ),
    "tax_id_invalid.shape": Words(
        es="El {name} de {party} tiene otra longitud u otros caracteres: corrige el número ({place}). Si es otro "
        "documento, indica su tipo en {place}_type: {known}.",
        en="The {name} of {party} has another length or other characters: correct the number ({place}). If it is "
        "another document, state its type in {place}_type: {known}.",
    ),
    "tax_id_invalid.length": Words(
        es="La identificación de {party} es demasiado larga: corrígela ({place}).",
        en="The identity document of {party} is too long: correct it ({place}).",
    ),
    "time_implausible": Words(
        es="{date} ({place}) es anterior a que hubiera servicio en {country}, el {first}: corrige la fecha.",
        en="{date} ({place}) is before there was a service in {country}, {first}: correct the date.",
    ),
    "time_implausible.before_payment": Words(
        es="Devuelve el pago de {document} antes de que se cobrara: corrige la fecha ({place}).",
        en="It gives back the payment of {document} before it was taken: correct the date ({place}).",
    ),
    "time_implausible.before_sending": Words(
        es="Devuelve el pago {payout} antes de que se enviara: corrige la fecha ({place}).",
        en="It returns the payout {payout} before it was sent: correct the date ({place}).",
    ),
    "time_implausible.before_completion": Words(
        es="Reasigna el pedido de {document} antes de que se completara: corrige la fecha ({place}).",
        en="It reassigns the order of {document} before it was completed: correct the date ({place}).",
    ),
    "period_invalid": Words(
        es="El periodo empieza el {first} y termina antes, el {last}.",
        en="The period begins on {first} and ends before that, on {last}.",
    ),
    "payee_mismatch.document": Words(
        es="Es de otro beneficiario: {subject:all}.", en="It belongs to another payee: {subject:all}."
    ),
    "payee_mismatch.payment": Words(
        es="La devolución {refund} no es del pago {payment}: es de {document}.",
        en="The refund {refund} is not of the payment {payment}: it is of {document}.",
    ),
    "payee_mismatch": Words(es="El pago se envió a otro beneficiario.", en="The payout was sent to another payee."),
    "party_unknown.order_canceled": Words(
        es="El pedido {order} se canceló antes de completarse y no tiene liquidación: di de quién es el ajuste.",
        en="The order {order} was canceled before it was completed and has no statement: say whose the adjustment is.",
    ),
    "party_unknown": Words(
        es="El pedido {order} no tiene comercio, y el ajuste trae líneas suyas.",
        en="The order {order} has no partner, and the adjustment has lines of one.",
    ),
    "totals_mismatch": Words(
        es="No coincide {total:title} ({place}): dice {stated:amount} y debe ser {expected:amount}.",
        en="Mismatch of {total:title} ({place}): it says {stated:amount} and should be {expected:amount}.",
    ),
    "totals_mismatch.replaced": Words(
        es="Sustituye la devolución {refund}, de {expected:amount}, con otro importe: {stated:amount}.",
        en="It replaces the refund {refund}, of {expected:amount}, with another amount: {stated:amount}.",
    ),
    "difference": Words(es="{difference:gap}.", en="{difference:gap}."),
    "credit_exceeds_remaining.group": Words(
        es="Abona más de lo que queda con {tax} en el documento original: {asked_minor:amount} de "
        "{remaining_minor:amount}.",
        en="It credits more than remains with {tax} in the original document: {asked_minor:amount} of "
        "{remaining_minor:amount}.",
    ),
    "credit_exceeds_remaining.untaxed": Words(
        es="Abona más de lo que queda sin impuesto en el documento original: {asked_minor:amount} de "
        "{remaining_minor:amount}.",
        en="It credits more than remains without tax in the original document: {asked_minor:amount} of "
        "{remaining_minor:amount}.",
    ),
    "credit_exceeds_remaining.total": Words(
        es="Abona más de lo que queda del documento original: {asked_minor:amount} de {remaining_minor:amount}.",
        en="It credits more than remains of the original document: {asked_minor:amount} of {remaining_minor:amount}.",
    ),
    "credit_exceeds_remaining.no_group": Words(
        es="El documento original no tiene partidas así con el impuesto {tax}.",
        en="The original document has no such lines with the tax {tax}.",
    ),
    "credit_exceeds_remaining.no_untaxed": Words(
        es="El documento original no tiene partidas así sin impuesto.",
        en="The original document has no such lines without tax.",
    ),
    "credit_exceeds_remaining.charges": Words(
        es="El abono cobraría en vez de devolver.", en="The credit would charge instead of giving back."
    ),
    "credit_exceeds_remaining.replaced": Words(
        es="La devolución {refund} ya la sustituyó {standing:all}, y no consta que esa fallara.",
        en="The refund {refund} was replaced by {standing:all} already, and that one is not known to have failed.",
    ),
    "credit_exceeds_remaining.payment_canceled": Words(
        es="El pago {payment} se canceló antes de cobrarse: no hay nada que devolver.",
        en="The payment {payment} was canceled before it was taken: there is nothing to give back.",
    ),
    "credit_exceeds_remaining.kind": Words(
        es="De este tipo de documento no se abona nada.", en="Nothing of this kind of document can be credited."
    ),
    "series_exhausted": Words(
        es="El emisor {issuer} no puede dar más números a {kind} en {year}.",
        en="The issuer {issuer} may take no more numbers for {kind} in {year}.",
    ),
    "issuing_paused": Words(
        es="La emisión de {issuer} está en pausa: cuando una persona la reanude se emite todo, por orden de llegada.",
        en="Issuing for {issuer} is paused: once a person resumes it everything is issued, in order of arrival.",
    ),
    "decision_not_possible.requested": Words(es="Ya está propuesto.", en="It is requested already."),
    "decision_not_possible.changed": Words(
        es="La diferencia ha cambiado: proponlo otra vez.", en="The difference has changed: request it again."
    ),
    "decision_not_possible.state": Words(
        es="El evento ha cambiado de estado ({status}).", en="The event has changed its state ({status})."
    ),
    # What a parked event lacks.
    "awaited": Words(es="Falta {missing:all}.", en="Missing: {missing:all}."),
    "awaited.held": Words(
        es="Espera a {missing:all}, que ha llegado y está retenido: en cuanto se emita, sigue por sí mismo.",
        en="It waits for {missing:all}, which has come and is held: once that is issued it goes on by itself.",
    ),
    "awaited.dismissed": Words(
        es="Espera a {missing:all}, que se cerró sin emitir: no hay nada que hacer, salvo que llegue corregido.",
        en="It waits for {missing:all}, which was closed without issuing: nothing is to do unless it comes mended.",
    ),
    "opening_balance.after": Words(
        es="Su saldo inicial no es el que dejó {payout}: falta un pago intermedio.",
        en="Its opening balance is not what {payout} left: a payout between them is missing.",
    ),
    "opening_balance.first": Words(
        es="Trae un saldo inicial y no consta ningún pago anterior: falta un pago.",
        en="It brings an opening balance and no earlier payout is known: one is missing.",
    ),
    "opening_balance.replaced": Words(
        es="Sustituye a {payout}: ha de abrir y cerrar con los saldos de aquel.",
        en="It replaces {payout}: it has to open and close with that payout's balances.",
    ),
    "opening_balance.unknown": Words(
        es="Sustituye a {payout}, que no ha llegado: no se sabe con qué saldo abrió. Si se emite ahora, se imprime con "
        "{known:amount} de saldo inicial; el evento dice {stated:amount}.",
        en="It replaces {payout}, which has not come: nobody knows the balance with which that one opened. Issued now, "
        "it prints an opening balance of {known:amount}; the event states {stated:amount}.",
    ),
    "refund_failed_already": Words(
        es="El banco ya ha avisado de que este reembolso no llegó ({event}): si se emite, su nota de crédito dirá que "
        "el abono falló.",
        en="The bank has said already that this refund did not arrive ({event}): once issued, its credit note will say "
        "that it failed.",
    ),
    "closing_balance": Words(
        es="Deja un saldo que no es el inicial de {payout}, ya emitido: lo decide una persona.",
        en="It leaves a balance that {payout}, issued already, did not open with: a person has to decide.",
    ),
    "decision_not_possible.waits": Words(es="Falta {missing:all}.", en="Missing: {missing:all}."),
}

TABLE: Mapping[str, Words] = {**bodies.TABLE, **_EVENTS, **series.TABLE, **custody.TABLE}

# TABLE: a word among the values -> how people say it.
CAUSES: Mapping[str, Words] = {
    # of an event that was ignored
    "canceled_before": Words(es="Cancelado antes de ocurrir", en="Canceled before it happened"),
    # the totals of an event
    "amount": Words(es="el importe", en="the amount"),
    "net": Words(es="la base", en="the net"),
    "tax": Words(es="el impuesto", en="the tax"),
    "gross": Words(es="el total", en="the total"),
    "payable": Words(es="el neto a recibir", en="the payable"),
    "partner_payable": Words(es="el neto del comercio", en="the partner's payable"),
    "earnings": Words(es="lo ganado", en="the earnings"),
    "deductions": Words(es="los descuentos", en="the deductions"),
    "withheld": Words(es="lo retenido", en="what is withheld"),
    "included": Words(es="lo liquidado", en="what is settled"),
    "adjustments": Words(es="los ajustes", en="the adjustments"),
    "cash_collected": Words(es="el efectivo", en="the cash"),
    "opening_carry_over": Words(es="el saldo inicial", en="the opening balance"),
    "closing_carry_over": Words(es="el saldo final", en="the closing balance"),
    # what of a document does not add up
    "row_total": Words(es="el total de la fila no es el impreso", en="the row's total is not the printed one"),
    "net_and_tax": Words(es="base e impuesto no dan el total", en="net and tax are not the gross"),
    "tax_of_groups": Words(es="el impuesto no es el de sus grupos", en="the tax is not that of the groups"),
    "lines_total": Words(es="las líneas no dan el total", en="the lines are not the total"),
    "owed_total": Words(
        es="lo debido no es lo ganado menos lo descontado y retenido",
        en="what is owed is not earned, less deducted and withheld",
    ),
    "withheld_total": Words(
        es="las retenciones fiscales no dan el total retenido", en="the withholdings are not the total withheld"
    ),
    "closes_to_the_cent": Words(
        es="no cuadra al céntimo, ni con la diferencia impresa",
        en="it does not close to the cent, not even with a printed difference",
    ),
    "settled_total": Words(es="lo liquidado no da el total incluido", en="what is settled is not the total included"),
    "adjustments_total": Words(
        es="los ajustes y su impuesto no dan su total", en="the adjustments and their tax are not their total"
    ),
    "concepts_total": Words(es="los conceptos no dan lo incluido", en="the concepts are not what is included"),
    "explained_net": Words(
        es="la explicación no llega a cada céntimo del neto", en="the explanation does not reach every cent of the net"
    ),
    "returned_total": Words(
        es="lo devuelto, la comisión y lo que falta no dan lo transferido",
        en="what came back, the fee and what is missing are not what was transferred",
    ),
    "unreadable": Words(es="no se puede leer", en="it cannot be read"),
    # why a mail was given up
    "mail_unavailable": Words(es="el correo no respondió", en="mail did not answer"),
    "recipient_refused": Words(es="su buzón lo rechaza", en="its mailbox refuses it"),
    "sender_refused": Words(es="el correo rechaza el envío", en="mail refuses the sender"),
}
