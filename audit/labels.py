"""The labels with which people read the log. The list is registered on the Document Center's site, a floor above."""

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from audit.actions import Action

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.utils.functional import _StrPromise

LABELS: "Mapping[Action, _StrPromise]" = {
    Action.EVENT_RECEIVED: _("Evento recibido"),
    Action.EVENT_PROCESSED: _("Evento procesado"),
    Action.EVENT_PARKED: _("Evento en espera de otro"),
    Action.EVENT_RESUMED: _("Evento reanudado"),
    Action.EVENT_HELD: _("Evento retenido en revisión"),
    Action.EVENT_RETRIED: _("Evento retenido, probado otra vez por una persona"),
    Action.EVENT_SUPERSEDED: _("Evento resuelto"),
    Action.EVENT_DIFFERENCE_REQUESTED: _("Emisión con diferencia propuesta"),
    Action.EVENT_DIFFERENCE_APPROVED: _("Emisión con diferencia aprobada por otra persona"),
    Action.EVENT_DIFFERENCE_WITHDRAWN: _("Propuesta de emisión con diferencia sustituida"),
    Action.EVENT_DISMISSED: _("Evento cerrado sin emitir"),
    Action.EVENT_REOPENED: _("Evento vuelto a la lista por otra causa"),
    Action.EVENT_IGNORED: _("Evento que no pide nada, guardado"),
    Action.EVENT_REFUSED: _("Evento rechazado"),
    Action.EVENT_REPEATED: _("Evento repetido"),
    Action.EVENT_DENIED: _("Evento denegado en la puerta"),
    Action.EVENT_VIEWED: _("Evento consultado"),
    Action.EVENT_BODIES_ERASED: _("Cuerpos de eventos borrados"),
    Action.EVENT_LISTED: _("Lista de eventos consultada"),
    Action.DOCUMENT_ISSUED: _("Documento emitido"),
    Action.DOCUMENT_LOCKED: _("Documento resguardado en la bóveda"),
    Action.DOCUMENT_QUARANTINED: _("Documento puesto en cuarentena"),
    Action.DOCUMENT_MIGRATED: _("Documento copiado a otra bóveda"),
    Action.DOCUMENT_DISPOSED: _("Archivo eliminado tras su plazo de conservación"),
    Action.DOCUMENT_RELEASED: _("Documento liberado de la cuarentena"),
    Action.DOCUMENT_REPEATED: _("Emisión repetida: se devolvió el mismo documento"),
    Action.DOCUMENT_VIEWED: _("Datos consultados"),
    Action.DOCUMENT_REVEALED: _("Datos personales descubiertos con motivo"),
    Action.DOCUMENT_DOWNLOADED: _("PDF descargado"),
    Action.DOCUMENT_PREVIEWED: _("Página vista en pantalla"),
    Action.DOCUMENT_LISTED: _("Lista consultada"),
    Action.DOCUMENT_VERIFIED: _("Bytes releídos y comprobados"),
    Action.DOCUMENT_RENDER_FAILED: _("Falló la composición del PDF"),
    Action.DOCUMENT_WORM_FAILED: _("Falló el resguardo en la bóveda"),
    Action.DOCUMENT_PAYOUT_STATUS_CHANGED: _("Cambió el estado del pago"),
    Action.DOCUMENT_REFUND_STATUS_CHANGED: _("Estado de la devolución cambiado"),
    Action.DOCUMENT_REFUND_REPLACED: _("Devolución fallida sustituida por otra"),
    Action.DOCUMENT_RETRIED: _("Emisión reintentada por una persona"),
    Action.DOCUMENT_CORRECTED: _("Documento corregido con una nota de crédito"),
    Action.DELIVERY_QUEUED: _("Entrega en cola"),
    Action.DELIVERY_SENT: _("Correo enviado"),
    Action.DELIVERY_FAILED: _("Falló el envío"),
    Action.DELIVERY_BOUNCED: _("Correo rebotado"),
    Action.DELIVERY_OPENED: _("Entrega abierta"),
    Action.DELIVERY_DOWNLOADED: _("Entrega descargada"),
    Action.DELIVERY_RESENT: _("Enlace reenviado por una persona"),
    Action.DELIVERY_NOT_WANTED: _("Entrega que no procede"),
    Action.LINK_CREATED: _("Enlace seguro creado"),
    Action.LINK_SEEN: _("Enlace visitado"),
    Action.LINK_OPENED: _("Enlace abierto por su destinatario"),
    Action.LINK_FAILED: _("Respuesta equivocada en el enlace"),
    Action.LINK_LOCKED: _("Enlace bloqueado por demasiados fallos"),
    Action.LINK_REVOKED: _("Enlace anulado"),
    Action.REQUEST_REPEATED: _("Petición repetida: se dio la misma respuesta"),
    Action.ACCESS_DENIED: _("Acceso denegado"),
    Action.ACCESS_GRANTED: _("Acceso concedido"),
    Action.ACCESS_WITHDRAWN: _("Acceso retirado"),
    Action.SESSION_LOGIN: _("Sesión iniciada"),
    Action.SESSION_LOGOUT: _("Sesión cerrada"),
    Action.SESSION_FAILED: _("Intento de sesión fallido"),
    Action.CREDENTIAL_CHANGED: _("Contraseña cambiada"),
    Action.KEY_CREATED: _("Clave de API creada"),
    Action.KEY_ROTATED: _("Clave de API sustituida"),
    Action.KEY_REVOKED: _("Clave de API revocada"),
    Action.DISCREPANCY_OPENED: _("Discrepancia abierta"),
    Action.DISCREPANCY_CHANGED: _("Discrepancia actualizada"),
    Action.DISCREPANCY_LISTED: _("Lista de discrepancias consultada"),
    Action.DISCREPANCY_RESOLVED: _("Discrepancia resuelta"),
    Action.ALERT_OPENED: _("Alerta abierta"),
    Action.ALERT_SENT: _("Alerta comunicada"),
    Action.ALERT_ESCALATED: _("Alerta agravada"),
    Action.ALERT_ACKNOWLEDGED: _("Alerta reconocida"),
    Action.ALERT_RESOLVED: _("Alerta resuelta"),
    Action.HOLD_LISTED: _("Lista de legal holds consultada"),
    Action.HOLD_SET: _("Legal hold aplicado"),
    Action.HOLD_RELEASE_REQUESTED: _("Retirada de un legal hold propuesta"),
    Action.HOLD_RELEASE_WITHDRAWN: _("Propuesta de retirar un legal hold anulada"),
    Action.HOLD_RELEASED: _("Legal hold retirado por una segunda persona"),
    Action.PARTY_ADDED: _("Titular dado de alta"),
    Action.PARTY_RENAMED: _("Nombre del titular cambiado"),
    Action.PARTY_CONTACT_CHANGED: _("Contacto del titular cambiado"),
    Action.PARTY_VIEWED: _("Titular consultado"),
    Action.ISSUER_ADDED: _("Emisor dado de alta"),
    Action.ISSUER_LIMITED: _("Límites de emisión fijados"),
    Action.ISSUER_PAUSED: _("Emisión en pausa: pasaba de su límite"),
    Action.ISSUER_RESUMED: _("Emisión reanudada por una persona"),
    Action.SERIES_ADDED: _("Serie abierta"),
    Action.SERIES_MOVED: _("Serie adelantada"),
    Action.VAULT_PROBED: _("Bóveda puesta a prueba"),
    Action.VERIFICATION_VIEWED: _("Verificación pública consultada"),
    Action.PAYOUT_SETTLED: _("Pago aplicado"),
    Action.PAYOUT_RETURNED: _("Pago devuelto"),
    Action.PAYOUT_FAILED: _("Pago fallido"),
    Action.PAYOUT_CANCELED: _("Pago cancelado"),
    Action.PAYOUT_LISTED: _("Lista de pagos consultada"),
    Action.PAYOUT_VIEWED: _("Pago consultado"),
    Action.AUDIT_VIEWED: _("Bitácora consultada"),
    Action.AUDIT_DETAILS_ERASED: _("Detalles personales borrados"),
    # Retired words: earlier versions wrote them.
    Action.EVENT_SETTLED: _("Evento resuelto"),
    Action.EVENT_CLOSED: _("Evento cerrado sin emitir"),
    Action.EVENT_SETTLEMENT_REQUESTED: _("Emisión con diferencia propuesta"),
    Action.EVENT_SETTLEMENT_APPROVED: _("Emisión con diferencia aprobada por otra persona"),
    Action.EVENT_SETTLEMENT_WITHDRAWN: _("Propuesta de emisión con diferencia sustituida"),
}

# What happened to a document, without who looked at it: what staff without the right to the log may read on its page.
LIFE = frozenset(
    {
        Action.EVENT_RECEIVED,
        Action.DOCUMENT_ISSUED,
        Action.DOCUMENT_LOCKED,
        Action.DOCUMENT_MIGRATED,
        Action.DOCUMENT_QUARANTINED,
        Action.DOCUMENT_RELEASED,
        Action.DOCUMENT_DISPOSED,
        Action.DOCUMENT_VERIFIED,
        Action.DOCUMENT_RENDER_FAILED,
        Action.DOCUMENT_WORM_FAILED,
        Action.DOCUMENT_PAYOUT_STATUS_CHANGED,
        Action.DOCUMENT_RETRIED,
        Action.DOCUMENT_CORRECTED,
        Action.DELIVERY_QUEUED,
        Action.DELIVERY_SENT,
        Action.DELIVERY_FAILED,
        Action.DELIVERY_BOUNCED,
        Action.DELIVERY_RESENT,
        Action.DELIVERY_NOT_WANTED,
        Action.LINK_CREATED,
        Action.LINK_LOCKED,
        Action.LINK_REVOKED,
        Action.ISSUER_ADDED,
        Action.ISSUER_LIMITED,
        Action.ISSUER_PAUSED,
        Action.ISSUER_RESUMED,
    }
)

FACTS: "Mapping[str, _StrPromise]" = {
    "owner": _("Titular"),
    "document_key": _("Clave de documento"),
    "number": _("Número"),
    "content_sha256": _("Huella del contenido"),
    "file_sha256": _("Huella del archivo"),
    "vault_version": _("Versión en la bóveda"),
    "retain_until": _("Conservar hasta"),
}

CHANNELS: "Mapping[str, _StrPromise]" = {
    "web": _("página web"),
    "api": _("API"),
    "admin": _("Centro de documentos"),
    "public": _("página pública"),
    "webhook": _("webhook"),
    "link": _("enlace seguro"),
    "worker": _("proceso interno"),
    "command": _("comando"),
}

ACTORS: "Mapping[str, _StrPromise]" = {
    "user": _("persona"),
    "service": _("servicio"),
    "link": _("destinatario"),
    "system": _("sistema"),
    "anonymous": _("anónimo"),
}


def label(action: str) -> str:
    """Return the label of an action; an action that a later version wrote is shown as it is."""
    try:
        return str(LABELS[Action(action)])
    except (KeyError, ValueError):
        return action
