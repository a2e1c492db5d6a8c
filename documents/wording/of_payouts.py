"""TABLE: outcome of a payout's statement, or of the notice that its money came back -> what each place says."""

from collections.abc import Mapping

from documents.countries.sources import Words
from documents.wording.cells import NOTHING, Cell
from documents.wording.outcomes import Fate

_READY = Words(es="Tu liquidación de pago está lista", en="Your payout statement is ready")
_ABOUT = Words(es="Sobre uno de tus pagos", en="About one of your payouts")
_NOTICE = Words(es="Aviso sobre uno de tus pagos", en="About one of your payouts")
_OF_PAYOUT = Words(es="Importe del pago", en="Amount of the payout")
_NO_TRANSFER = Words(es="Sin transferencia", en="No transfer")


def _undone(*, badge: Words, label: Words, letter: Words, sentence: Words) -> Cell:
    """Return the cell of a payout whose money its payee does not have."""
    return Cell(
        badge=badge,
        figure=NOTHING,
        printed=NOTHING,
        subject=_ABOUT,
        letter=letter,
        label=label,
        shown=sentence,
        public=sentence,
        tone="warn",
        overrides=True,
    )


def _notice(*, label: Words, printed: Words, letter: Words, public: Words) -> Cell:
    """Return the cell of a notice."""
    return Cell(
        badge=NOTHING,
        figure=_OF_PAYOUT,
        printed=printed,
        subject=_NOTICE,
        letter=letter,
        label=label,
        shown=printed,
        public=public,
        tone="warn",
    )


STATEMENT: Mapping[Fate, Cell] = {
    Fate.SENT: Cell(
        badge=NOTHING,
        # The notice of a payout that failed may be older: the page is the same in every order of arrival.
        figure=_OF_PAYOUT,
        printed=NOTHING,
        subject=_READY,
        letter=Words(
            es="Te hemos enviado un pago. Aquí ves qué pedidos incluye y cómo se calcula.",
            en="We have sent you a payout. Here you can see which orders it covers and how it adds up.",
        ),
        label=Words(es="Importe transferido", en="Amount transferred"),
        shown=NOTHING,
        public=NOTHING,
    ),
    Fate.CLOSED: Cell(
        badge=_NO_TRANSFER,
        figure=_NO_TRANSFER,
        printed=Words(
            es="Periodo cerrado sin transferencia. No se ha enviado dinero: abajo se ve qué incluye y qué saldo "
            "pasa al siguiente.",
            en="Period closed without a transfer.",
        ),
        subject=_READY,
        letter=Words(
            es="Tu periodo se cerró sin transferencia. Aquí ves qué pedidos incluye y qué saldo pasa al siguiente.",
            en="Your period closed without a transfer. Here you can see which orders it covers and what balance is "
            "carried forward.",
        ),
        label=_NO_TRANSFER,
        shown=Words(
            es="Este periodo se cerró sin transferencia: no se envió dinero.",
            en="This period closed without a transfer: no money was sent.",
        ),
        public=NOTHING,
        sign="page",
    ),
    Fate.OWING: Cell(
        badge=Words(es="Deja una deuda", en="Leaves a debt"),
        figure=NOTHING,
        printed=Words(
            es="Debes {debt}: se descuentan de tu próximo pago.",
            en="You owe {debt}: it is taken from your next payout.",
        ),
        subject=NOTHING,
        letter=Words(
            es="El saldo que pasa al siguiente es una deuda: se descuenta de tu próximo pago.",
            en="The balance carried forward is a debt: it is taken from your next payout.",
        ),
        label=NOTHING,
        shown=Words(
            es="Debes {debt}: se descuentan de tu próximo pago.",
            en="You owe {debt}: it is taken from your next payout.",
        ),
        public=NOTHING,
        tone="warn",
    ),
    Fate.CARRIED_ON: Cell(
        badge=Words(es="Dejó una deuda", en="Left a debt"),
        figure=NOTHING,
        printed=NOTHING,
        subject=NOTHING,
        letter=Words(
            es="El saldo que pasó al siguiente era una deuda, que ya figura en tu pago posterior.",
            en="The balance carried forward was a debt; a later payout of yours has opened with it.",
        ),
        label=NOTHING,
        shown=Words(
            es="Debías {debt}, que pasaron a tu pago siguiente.",
            en="You owed {debt}, which was carried to your next payout.",
        ),
        public=NOTHING,
        sign="page",
    ),
    Fate.REPLACES: Cell(
        badge=NOTHING,
        figure=NOTHING,
        printed=NOTHING,  # the template prints the id of the payout that it replaces
        subject=NOTHING,
        letter=Words(es="Sustituye a la liquidación {number}.", en="It replaces payout statement {number}."),
        label=NOTHING,
        shown=Words(es="Sustituye a la liquidación {number}.", en="It replaces payout statement {number}."),
        public=Words(es="Sustituye a la liquidación {number}.", en="It replaces payout statement {number}."),
        sign="page",
    ),
    Fate.REPLACED: _undone(
        badge=Words(es="Sustituido", en="Replaced"),
        label=Words(es="Importe sustituido", en="Amount replaced"),
        letter=Words(
            es="Este pago lo sustituye otro, el de la liquidación {number}.",
            en="This payout is replaced by another, that of payout statement {number}.",
        ),
        sentence=Words(
            es="Pago sustituido por el de la liquidación {number}.",
            en="Payout replaced by that of payout statement {number}.",
        ),
    ),
    Fate.FAILED: _undone(
        badge=Words(es="Pago no enviado", en="Payout not sent"),
        label=Words(es="Importe que no se envió", en="Amount not sent"),
        letter=Words(
            es="Este pago no pudo enviarse: lo explica el aviso {number}.",
            en="This payout could not be sent: notice {number} explains it.",
        ),
        sentence=Words(
            es="Pago no enviado. Corregido por el aviso {number}.", en="Payout not sent. Corrected by notice {number}."
        ),
    ),
    Fate.RETURNED: _undone(
        badge=Words(es="Pago devuelto", en="Payout returned"),
        label=Words(es="Importe devuelto por el banco", en="Amount returned by the bank"),
        letter=Words(
            es="El banco devolvió este pago: lo explica el aviso {number}.",
            en="The bank returned this payout: notice {number} explains it.",
        ),
        sentence=Words(
            es="Pago devuelto por el banco. Corregido por el aviso {number}.",
            en="Payout returned by the bank. Corrected by notice {number}.",
        ),
    ),
    Fate.CANCELED: _undone(
        badge=Words(es="Pago cancelado", en="Payout canceled"),
        label=Words(es="Importe del pago cancelado", en="Amount of the canceled payout"),
        letter=Words(
            es="Este pago se canceló: lo explica el aviso {number}.",
            en="This payout was canceled: notice {number} explains it.",
        ),
        sentence=Words(
            es="Pago cancelado. Corregido por el aviso {number}.", en="Payout canceled. Corrected by notice {number}."
        ),
    ),
}

NOTICE: Mapping[Fate, Cell] = {
    Fate.FAILED: _notice(
        label=Words(es="Importe que no llegó", en="Amount that did not arrive"),
        printed=Words(es="El pago no pudo enviarse.", en="The payout could not be sent."),
        letter=Words(
            es="Un pago no pudo enviarse. El documento explica el motivo y qué pasa ahora.",
            en="A payout could not be sent. The document says why, and what happens next.",
        ),
        public=NOTHING,
    ),
    Fate.RETURNED: _notice(
        label=Words(es="Importe que no llegó", en="Amount that did not arrive"),
        printed=Words(es="El banco devolvió el pago.", en="The payout was returned."),
        letter=Words(
            es="Un pago no llegó a tu cuenta. El documento explica el motivo y qué pasa ahora.",
            en="A payout did not reach your account. The document says why, and what happens next.",
        ),
        public=NOTHING,
    ),
    Fate.CANCELED: _notice(
        label=Words(es="Importe del pago cancelado", en="Amount of the canceled payout"),
        printed=Words(es="El pago se canceló.", en="The payout was canceled."),
        letter=Words(
            es="Un pago tuyo se canceló. El documento explica el motivo y qué pasa ahora.",
            en="A payout of yours was canceled. The document says why, and what happens next.",
        ),
        public=NOTHING,
    ),
    Fate.CONCERNS: Cell(
        badge=NOTHING,
        figure=NOTHING,
        printed=NOTHING,
        subject=NOTHING,
        letter=Words(es="Corrige la liquidación de pago {number}.", en="It corrects payout statement {number}."),
        label=NOTHING,
        shown=Words(es="Corrige la liquidación de pago {number}.", en="It corrects payout statement {number}."),
        public=Words(es="Corrige la liquidación de pago {number}.", en="It corrects payout statement {number}."),
        sign="page",
    ),
    Fate.REPLACED: Cell(
        badge=Words(es="Sustituido", en="Replaced"),
        figure=NOTHING,
        printed=NOTHING,
        subject=NOTHING,
        letter=Words(
            es="Otro pago sustituye a este: liquidación {number}.",
            en="Another payout replaces this one: payout statement {number}.",
        ),
        label=NOTHING,
        shown=Words(
            es="Otro pago sustituye a este: liquidación {number}.",
            en="Another payout replaces this one: payout statement {number}.",
        ),
        public=Words(
            es="Otro pago sustituye a este: liquidación {number}.",
            en="Another payout replaces this one: payout statement {number}.",
        ),
        sign="page",
    ),
}
