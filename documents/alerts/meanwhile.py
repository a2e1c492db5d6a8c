"""What drivers, customers and partners notice while an alert lasts whose row does not say so; see `catalog`."""

from collections.abc import Mapping
from types import MappingProxyType

from documents.countries.sources import Words

# Of everything that the vault breaks; what its row of the dependencies says is for an outage.
VAULT = Words(
    es="El documento conserva su número y espera o queda retenido; nada se sirve sin comprobar y nada se borra",
    en="The document keeps its number and waits or is withheld; nothing is served unchecked and nothing is deleted",
)
VAULT_WEAK = Words(
    es="No se resguarda ningún documento: los titulares esperan su PDF; lo ya resguardado se entrega",
    en="No document is locked: owners wait for their PDF; what is locked already is handed out",
)
DISCREPANCY = Words(
    es="Los documentos emitidos valen y se entregan; no se cambia nada hasta que se resuelva",
    en="The documents that are issued stand and are handed out; nothing is changed until it is resolved",
)
TABLE: Mapping[str, Words] = MappingProxyType(
    {
        "worm_mode_weak": VAULT_WEAK,
        "worm_bucket_misconfigured": VAULT_WEAK,
        "event_held": Words(
            es="El evento está guardado y no numera nada: a quien espera ese documento le falta",
            en="The event is stored and numbers nothing: whoever waits for that document does not have it",
        ),
        "event_parked_too_long": Words(
            es="El evento está guardado y se emite solo en cuanto llegue lo que falta; hasta entonces no hay documento",
            en="The event is stored and is issued by itself once what is missing comes; until then no document",
        ),
        "internal_error": Words(
            es="Lo pedido se deshizo entero; un evento está guardado, se reintenta solo y aún no tiene documento",
            en="It was undone as a whole; an event is stored, tried again by itself, and has no document yet",
        ),
        "sign_in_attempts": Words(
            es="Quien ya entró sigue dentro; los enlaces y el panel no cambian",
            en="Who is signed in stays so; links and the panel are as ever",
        ),
        "access_rule_broken": Words(
            es="Nada sale por esa ruta: quien pide recibe un error",
            en="Nothing leaves by it: who asks gets an error",
        ),
        "cross_owner_read": Words(
            es="No salió nada; los demás documentos se entregan como siempre",
            en="Nothing left; all other documents are handed out as ever",
        ),
        "document_stuck": Words(
            es="Su titular aún no recibe el PDF; sus datos se leen en el Document Center",
            en="Its owner does not get the PDF yet; its data can be read in the Document Center",
        ),
        "document_missing": Words(
            es="Sus titulares no los pueden abrir; los demás documentos se emiten y se entregan",
            en="Their owners cannot open them; all others are issued and handed out",
        ),
        "render_failed": Words(
            es="Su titular espera el PDF; se reintenta, y los demás documentos salen",
            en="Its owner waits for the PDF; it is tried again, and the others come out",
        ),
        "render_timeout": Words(
            es="Su titular espera el PDF; se reintenta, y los demás documentos salen",
            en="Its owner waits for the PDF; it is tried again, and the others come out",
        ),
        "vault_read_only": Words(
            es="Los documentos se emiten y se entregan como siempre", en="Documents are issued and handed out as ever"
        ),
        "series_range_low": Words(
            es="Los documentos se emiten como siempre hasta que se acabe el rango",
            en="Documents are issued as ever until the range is used up",
        ),
        "number_gap": Words(
            es="La serie sigue dando números; los documentos que hay se entregan",
            en="The series goes on giving numbers; the documents that are there are handed out",
        ),
        "number_duplicate": Words(
            es="La base de datos no admite dos documentos con un número: el que choque no se emite",
            en="The database takes no two documents of one number: one that clashes is not issued",
        ),
        "link_revoked": Words(
            es="Por ese enlace ya no se abre nada; el documento sigue en el panel de su titular",
            en="Nothing is opened by that link any more; the document is in its owner's panel",
        ),
        "sealing_delayed": Words(
            es="Se sigue registrando todo; se sella después",
            en="Everything is recorded and sealed later",
        ),
        "sealing_stopped": Words(
            es="Se sigue registrando todo; se sella después",
            en="Everything is recorded and sealed later",
        ),
        "audit_broken": Words(
            es="Se sigue registrando todo",
            en="Everything is still recorded",
        ),
        "operations_drill": Words(
            es="No cambia nada para nadie",
            en="Nothing changes for anybody",
        ),
    }
)


def of_code(*, code: str) -> Words | None:
    """Return the sentence of a code; None where there is none."""
    return TABLE.get(code) or (VAULT if code.startswith("worm_") else None)
