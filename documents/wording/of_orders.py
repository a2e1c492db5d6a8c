"""TABLE: outcome of an order's statement -> what each place says."""

from collections.abc import Mapping

from documents.countries.sources import Words
from documents.wording.cells import NOTHING, Cell
from documents.wording.outcomes import Fate

_TO_RECEIVE = Words(es="Neto a recibir", en="Net payable to you")
_NET = Words(es="Neto del pedido", en="Net of the order")
_READY = Words(es="Tu Statement final está listo", en="Your final order statement is ready")
_DETAIL = Words(
    es="Este es el detalle definitivo de tu pedido, línea a línea.",
    en="This is the final detail of your order, line by line.",
)

STATEMENT: Mapping[Fate, Cell] = {
    Fate.PENDING: Cell(
        badge=Words(es="Pago pendiente", en="Payout pending"),
        figure=_TO_RECEIVE,
        printed=Words(
            es="Pago pendiente a la fecha de emisión. Cuando se envíe, recibirás una liquidación de pago aparte.",
            en="Payout pending at the date of issue.",
        ),
        subject=_READY,
        letter=_DETAIL,
        label=_TO_RECEIVE,
        shown=Words(
            es="Pago pendiente. Este documento es definitivo. Cuando se envíe el pago recibirás aparte una liquidación "
            "de pago.",
            en="Payout pending. This document is final. When the payout is sent you will get a separate payout "
            "statement.",
        ),
        public=NOTHING,
        tone="warn",
        sign="clock",
    ),
    Fate.PAID: Cell(
        badge=Words(es="Pago enviado", en="Payout sent"),
        figure=_TO_RECEIVE,
        printed=Words(
            es="Pago ya enviado a la fecha de emisión.",
            en="Payout already sent at the date of issue.",
        ),
        subject=_READY,
        letter=_DETAIL,
        label=Words(es="Neto pagado", en="Net paid"),
        shown=Words(es="Pago enviado.", en="Payout sent."),
        public=NOTHING,
        tone="good",
        sign="check",
    ),
    Fate.ZERO: Cell(
        badge=Words(es="Sin importe por pagar", en="Nothing to pay"),
        figure=_NET,
        printed=Words(
            es="Sin importe por pagar. Los ingresos y las deducciones de este pedido se compensan.",
            en="Nothing to pay: the earnings and deductions of this order cancel out.",
        ),
        subject=_READY,
        letter=_DETAIL,
        label=_NET,
        shown=Words(
            es="Sin importe por pagar. Los ingresos y las deducciones de este pedido se compensan.",
            en="Nothing to pay. The earnings and deductions of this order cancel out.",
        ),
        public=NOTHING,
        sign="page",
    ),
    Fate.NEGATIVE: Cell(
        badge=Words(es="Por descontar", en="To be deducted"),
        figure=_NET,
        printed=Words(
            es="Debes {debt}: se descuentan de tu próximo pago. Este pedido dejó más deducciones que ingresos.",
            en="You owe {debt}: it is taken from your next payout.",
        ),
        subject=_READY,
        letter=Words(
            es="Este es el detalle definitivo de tu pedido, línea a línea. Dejó más deducciones que ingresos: la "
            "diferencia se descuenta de tu próximo pago.",
            en="This is the final detail of your order, line by line. Its deductions are above its earnings: the "
            "difference is taken from your next payout.",
        ),
        label=_NET,
        shown=Words(
            es="Debes {debt}: se descuentan de tu próximo pago.",
            en="You owe {debt}: it is taken from your next payout.",
        ),
        public=NOTHING,
        tone="warn",
    ),
    Fate.DEDUCTED: Cell(
        badge=Words(es="Descontado", en="Deducted"),
        figure=_NET,
        printed=Words(
            es="Debías {debt}: ya se descontaron de un pago enviado a la fecha de emisión.",
            en="You owed {debt}: already taken from a payout sent at the date of issue.",
        ),
        subject=_READY,
        letter=_DETAIL,
        label=_NET,
        shown=Words(
            es="Debías {debt}: ya se descontaron de un pago enviado.",
            en="You owed {debt}: already taken from a payout that was sent.",
        ),
        public=NOTHING,
        sign="check",
    ),
    Fate.SETTLED: Cell(
        badge=NOTHING,
        figure=NOTHING,
        printed=NOTHING,
        subject=NOTHING,
        letter=NOTHING,
        label=NOTHING,
        shown=Words(es="Está en la liquidación {number}.", en="It is part of payout statement {number}."),
        public=NOTHING,
        sign="page",
    ),
    Fate.COMPLETES: Cell(
        badge=NOTHING,
        figure=NOTHING,
        printed=NOTHING,  # the template says it with the adjustment and its reason
        subject=NOTHING,
        letter=Words(es="Complementa a {number}.", en="It supplements {number}."),
        label=NOTHING,
        shown=Words(es="Complementa a {number}.", en="It supplements {number}."),
        public=Words(es="Complementa a {number}.", en="It supplements {number}."),
        sign="page",
    ),
    Fate.TAKES_OVER: Cell(
        badge=Words(es="Pedido reasignado", en="Order reassigned"),
        figure=NOTHING,
        printed=NOTHING,  # the template says it with the reassignment and its reason
        subject=NOTHING,
        letter=Words(
            es="El pedido se te reasignó: este documento ocupa el lugar de {number}.",
            en="The order was reassigned to you: this document takes the place of {number}.",
        ),
        label=NOTHING,
        shown=Words(
            es="El pedido se te reasignó: este documento ocupa el lugar de {number}.",
            en="The order was reassigned to you: this document takes the place of {number}.",
        ),
        public=Words(
            es="El pedido se reasignó: este documento ocupa el lugar de {number}.",
            en="The order was reassigned: this document takes the place of {number}.",
        ),
        sign="page",
    ),
    Fate.HANDED_ON: Cell(
        badge=Words(es="Pedido reasignado", en="Order reassigned"),
        figure=NOTHING,
        printed=NOTHING,
        subject=NOTHING,
        letter=Words(
            es="El pedido se reasignó a otra persona: {number} ocupa el lugar de este documento.",
            en="The order was reassigned to somebody else: {number} takes the place of this document.",
        ),
        label=NOTHING,
        shown=Words(
            es="El pedido se reasignó a otra persona: {number} ocupa el lugar de este documento.",
            en="The order was reassigned to somebody else: {number} takes the place of this document.",
        ),
        public=Words(
            es="El pedido se reasignó: {number} ocupa el lugar de este documento.",
            en="The order was reassigned: {number} takes the place of this document.",
        ),
        tone="warn",
    ),
    Fate.CREDITED_IN_PART: Cell(
        badge=Words(es="Corregido en parte", en="Corrected in part"),
        figure=NOTHING,
        printed=NOTHING,
        subject=NOTHING,
        letter=Words(
            es="Una parte se ha corregido después: {notes}.", en="Part of it has been corrected since: {notes}."
        ),
        label=Words(es="Neto al emitirse", en="Net when issued"),
        shown=Words(
            es="Corregido por {notes}, en parte: el resto sigue siendo válido.",
            en="Corrected by {notes}, in part: the rest remains valid.",
        ),
        public=Words(
            es="Corregido por {notes}, en parte: el resto sigue siendo válido.",
            en="Corrected by {notes}, in part: the rest remains valid.",
        ),
        tone="warn",
    ),
    Fate.CREDITED_WHOLLY: Cell(
        badge=Words(es="Corregido por completo", en="Corrected in full"),
        figure=NOTHING,
        printed=NOTHING,
        subject=Words(es="Sobre una de tus liquidaciones", en="About one of your statements"),
        letter=Words(
            es="Esta liquidación se ha corregido por completo: {notes}. De ella ya no queda nada pendiente.",
            en="This statement has been corrected in full: {notes}. Nothing of it remains open.",
        ),
        label=Words(es="Neto al emitirse, ya corregido", en="Net when issued, since corrected"),
        shown=Words(
            es="Corregido por {notes}, por completo: de este documento ya no queda nada pendiente. Si ya se pagó, se "
            "descuenta de otro pago.",
            en="Corrected by {notes}, in full: nothing of this document remains open. If it was paid, it is taken from "
            "another payout.",
        ),
        public=Words(es="Corregido por {notes}, por completo.", en="Corrected by {notes}, in full."),
        tone="warn",
        overrides=True,
    ),
    Fate.ADJUSTED: Cell(
        badge=NOTHING,
        figure=NOTHING,
        printed=NOTHING,
        subject=NOTHING,
        letter=Words(
            es="Lo complementa {number}. Este sigue siendo válido.",
            en="It is supplemented by {number}. This one remains valid.",
        ),
        label=NOTHING,
        shown=Words(
            es="Lo complementa {number}. Este sigue siendo válido.",
            en="It is supplemented by {number}. This one remains valid.",
        ),
        public=Words(
            es="Lo complementa {number}. Este sigue siendo válido.",
            en="It is supplemented by {number}. This one remains valid.",
        ),
        sign="page",
    ),
}
