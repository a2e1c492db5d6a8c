"""TABLE: outcome of a payment's receipt, or of a credit note -> what each place says."""

from collections.abc import Mapping

from documents.countries.sources import Words
from documents.wording.cells import NOTHING, Cell
from documents.wording.outcomes import Fate

_PAID = Words(es="Total pagado", en="Total paid")
_GIVEN = Words(es="Total a tu favor", en="Total in your favour")
_CREDITED = Words(es="Total abonado", en="Total credited")
_DEDUCTED = Words(es="Total descontado", en="Total deducted")
_NOTE_TO_YOU = Words(es="Hemos emitido una nota a tu favor", en="We have issued a credit note to you")
_NOTE_ON_YOURS = Words(
    es="Hemos emitido una nota sobre una de tus liquidaciones", en="We have issued a note on one of your statements"
)

RECEIPT: Mapping[Fate, Cell] = {
    Fate.PAID_BY_CUSTOMER: Cell(
        badge=NOTHING,
        figure=_PAID,
        printed=NOTHING,
        subject=Words(es="Tu recibo de pago está listo", en="Your payment receipt is ready"),
        letter=Words(
            es="Gracias por tu pago. Este es su recibo, numerado y guardado a tu nombre.",
            en="Thank you for your payment. This is its receipt, numbered and kept in your name.",
        ),
        label=_PAID,
        shown=NOTHING,
        public=NOTHING,
    ),
    Fate.CREDITED_IN_PART: Cell(
        badge=Words(es="Corregido en parte", en="Corrected in part"),
        figure=NOTHING,
        printed=NOTHING,
        subject=NOTHING,
        letter=Words(
            es="Una parte de este recibo se ha corregido: {notes}.",
            en="Part of this receipt has been corrected: {notes}.",
        ),
        label=NOTHING,
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
        subject=Words(es="Sobre uno de tus recibos de pago", en="About one of your payment receipts"),
        letter=Words(
            es="Este recibo se ha corregido por completo: {notes}.",
            en="This receipt has been corrected in full: {notes}.",
        ),
        label=Words(es="Total del recibo, ya corregido", en="Total of the receipt, since corrected"),
        shown=Words(
            es="Corregido por {notes}, por completo: de este recibo no queda nada por abonar.",
            en="Corrected by {notes}, in full: nothing of this receipt remains to be credited.",
        ),
        public=Words(es="Corregido por {notes}, por completo.", en="Corrected by {notes}, in full."),
        tone="warn",
        overrides=True,
    ),
}


def _given(*, letter: Words, shown: Words, public: Words) -> Cell:
    """Return the cell of a note that gives a customer something back."""
    return Cell(
        badge=NOTHING,
        figure=_CREDITED,
        printed=NOTHING,
        subject=_NOTE_TO_YOU,
        letter=letter,
        label=_GIVEN,
        shown=shown,
        public=public,
        sign="page",
    )


def _taken(*, letter: Words, printed: Words, shown: Words, public: Words) -> Cell:
    """Return the cell of a note that reduces what somebody is owed."""
    return Cell(
        badge=NOTHING,
        figure=_DEDUCTED,
        printed=printed,
        subject=_NOTE_ON_YOURS,
        letter=letter,
        label=_DEDUCTED,
        shown=shown,
        public=public,
        sign="page",
    )


_NO_LONGER_OWED = Words(
    es="Ese pedido ya no se te debe. Si ya se te pagó, se descuenta en la liquidación de pago que incluya esta nota.",
    en="That order is no longer owed to you. If it was paid, it is taken off in the payout that includes this note.",
)
NOTE: Mapping[Fate, Cell] = {
    Fate.REFUNDED: _given(
        letter=Words(
            es="Esta nota es de una devolución y corrige {number}.",
            en="This note is of a refund and corrects {number}.",
        ),
        shown=Words(es="Por una devolución. Corrige {number}.", en="For a refund. It corrects {number}."),
        public=Words(es="Por una devolución. Corrige {number}.", en="For a refund. It corrects {number}."),
    ),
    Fate.DISPUTED: _given(
        letter=Words(
            es="Tu banco te dio la razón en una disputa. Esta nota lo registra y corrige {number}.",
            en="Your bank decided a dispute in your favour. This note records it and corrects {number}.",
        ),
        shown=Words(
            es="Por una disputa que tu banco resolvió a tu favor. Corrige {number}.",
            en="For a dispute that your bank decided in your favour. It corrects {number}.",
        ),
        public=Words(
            es="Por una disputa de la tarjeta. Corrige {number}.", en="For a dispute of the card. It corrects {number}."
        ),
    ),
    Fate.PAYMENT_CANCELED: _given(
        letter=Words(
            es="El pago se canceló. Esta nota abona lo que quedaba de {number}.",
            en="The payment was canceled. This note credits what remained of {number}.",
        ),
        shown=Words(
            es="Por la cancelación del pago. Corrige {number}.",
            en="For the canceled payment. It corrects {number}.",
        ),
        public=Words(
            es="Por la cancelación del pago. Corrige {number}.",
            en="For the canceled payment. It corrects {number}.",
        ),
    ),
    Fate.CORRECTED: _given(
        letter=Words(
            es="Esta nota es una corrección de {number}.",
            en="This note is a correction of {number}.",
        ),
        shown=Words(es="Por una corrección. Corrige {number}.", en="For a correction. It corrects {number}."),
        public=Words(es="Por una corrección. Corrige {number}.", en="For a correction. It corrects {number}."),
    ),
    Fate.ORDER_CANCELED: _taken(
        printed=_NO_LONGER_OWED,
        letter=Words(
            es="El pedido se canceló. Esta nota anula lo que quedaba de {number}.",
            en="The order was canceled. This note undoes what remained of {number}.",
        ),
        shown=Words(
            es="Por la cancelación del pedido. Corrige {number}: ya no se te debe.",
            en="For the canceled order. It corrects {number}: that is no longer owed to you.",
        ),
        public=Words(
            es="Por la cancelación del pedido. Corrige {number}.",
            en="For the canceled order. It corrects {number}.",
        ),
    ),
    Fate.REASSIGNED: _taken(
        printed=_NO_LONGER_OWED,
        letter=Words(
            es="El pedido se reasignó a otra persona. Esta nota anula lo que quedaba de {number}.",
            en="The order was reassigned to somebody else. This note undoes what remained of {number}.",
        ),
        shown=Words(
            es="Por la reasignación del pedido. Corrige {number}: ya no se te debe.",
            en="For the reassigned order. It corrects {number}: that is no longer owed to you.",
        ),
        public=Words(
            es="Por la reasignación del pedido. Corrige {number}.",
            en="For the reassigned order. It corrects {number}.",
        ),
    ),
    Fate.TAKEN: _taken(
        printed=Words(
            es="Se descuenta de lo que se te debe, en la liquidación de pago que lo incluya.",
            en="Taken from what you are owed, in the payout that includes it.",
        ),
        letter=Words(
            es="Esta nota es una corrección de {number} y se descuenta de lo que se te debe.",
            en="This note is a correction of {number} and is taken from what you are owed.",
        ),
        shown=Words(
            es="Por una corrección. Corrige {number} y se descuenta de lo que se te debe.",
            en="For a correction. It corrects {number} and is taken from what you are owed.",
        ),
        public=Words(es="Por una corrección. Corrige {number}.", en="For a correction. It corrects {number}."),
    ),
    Fate.RELEASED: Cell(
        badge=NOTHING,
        figure=Words(es="Total de la nota", en="Total of the note"),
        printed=Words(
            es="Anula una deuda de {debt}: no se descuenta de tus pagos, o se te devuelve en el que incluya esta nota.",
            en="It undoes a debt of {debt}: not taken from a payout, or given back in the one that includes this note.",
        ),
        subject=_NOTE_ON_YOURS,
        letter=Words(es="Esta nota anula una deuda de {number}.", en="This note undoes a debt of {number}."),
        label=Words(es="Total de la nota", en="Total of the note"),
        shown=Words(
            es="Anula una deuda de {debt}. Corrige {number}.", en="It undoes a debt of {debt}. It corrects {number}."
        ),
        public=Words(es="Corrige {number}.", en="It corrects {number}."),
        sign="page",
    ),
    Fate.REFUND_FAILED: Cell(
        badge=Words(es="Devolución fallida", en="Refund failed"),
        figure=NOTHING,
        printed=NOTHING,
        subject=Words(es="Sobre una de tus devoluciones", en="About one of your refunds"),
        letter=Words(
            es="El dinero de esta devolución no te llegó. La nota sigue siendo válida: queda pendiente.",
            en="The money of this refund did not reach you. The note remains valid: it is still due.",
        ),
        label=Words(es="Total a tu favor, aún sin llegar", en="Total in your favour, not arrived yet"),
        shown=Words(
            es="El dinero de esta devolución no te llegó. La nota sigue siendo válida: queda pendiente.",
            en="The money of this refund did not reach you. The note remains valid: it is still due.",
        ),
        public=Words(
            es="El dinero de esta devolución aún no ha llegado. La nota sigue siendo válida.",
            en="The money of this refund has not arrived yet. The note remains valid.",
        ),
        tone="warn",
    ),
}
CAUSES: Mapping[str, Words] = {  # of a credit note, by the subject of its key, or by what has become of it
    "refund": Words(es="devolución", en="refund"),
    Fate.REFUND_FAILED: Words(es="devolución que aún no ha llegado", en="refund that has not arrived yet"),
    "dispute": Words(es="disputa perdida", en="lost dispute"),
    "payment": Words(es="cancelación del pago", en="payment canceled"),
    "order": Words(es="cancelación del pedido", en="order canceled"),
    "adjustment": Words(es="cancelación del pedido", en="order canceled"),
    "reassignment": Words(es="reasignación del pedido", en="order reassigned"),
    "correction": Words(es="corrección", en="correction"),
}
