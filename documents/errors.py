"""Every code that this service answers, once: HTTP status, text in Spanish and English, whether to try again.

The one source for code, problem+json, work items, the error pages under /errors/, OpenAPI and translations.
`severity` is set where the code also opens an alert: P1 where custody of an issued document is at risk, else P2.

A problem or fault is a code with values. Sentences about it are made at the edge, by `documents.sentences`, where the
value `cause` chooses between the sentences of a code that has several.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Value = str | int | list[str]
VALUE_LENGTH_MAX, VALUES_MAX = 200, 50  # of what is stored: a payout has up to 1,500 orders
NAMES_MAX = 2  # of what is missing, where a sentence counts the others


@dataclass(frozen=True, kw_only=True)
class Code:
    """One row: `status` is HTTP; `retryable` tells a machine whether the same request may succeed later."""

    status: int
    es: str
    en: str
    retryable: bool = False
    severity: str = ""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One place in the input: `pointer` is an RFC 6901 JSON pointer, `code` a short reason, `values` what it names."""

    pointer: str
    code: str
    values: Mapping[str, Value] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """Return the fault as it is stored, its values within their limits."""
        return {"pointer": self.pointer, "code": self.code, "values": bounded(values=self.values)}


def counted(*, missing: Sequence[str]) -> dict[str, Value]:
    """Return the values of a list of what is missing: the first names, and how many more there are."""
    rest = max(0, len(missing) - NAMES_MAX)
    names: dict[str, Value] = {"missing": [*missing[:NAMES_MAX]]}
    return {**names, "more": rest} if rest else names


def bounded(*, values: Mapping[str, Value]) -> dict[str, Value]:
    """Return values with long texts and long lists cut."""
    return {
        name: value
        if isinstance(value, int)
        else value[:VALUE_LENGTH_MAX]
        if isinstance(value, str)
        else [text[:VALUE_LENGTH_MAX] for text in value[:VALUES_MAX]]
        for name, value in values.items()
    }


CODES: dict[str, Code] = {
    # 400
    "validation_error": Code(status=400, es="Los datos no son válidos", en="The data is not valid"),
    "malformed_json": Code(status=400, es="El cuerpo no es JSON válido", en="The body is not valid JSON"),
    "unknown_parameter": Code(status=400, es="Parámetro desconocido", en="Unknown parameter"),
    "invalid_cursor": Code(status=400, es="El cursor no es válido", en="The cursor is not valid"),
    "host_not_allowed": Code(status=400, es="Dirección no atendida aquí", en="Address not served here"),
    "idempotency_key_missing": Code(
        status=400, es="Falta la cabecera Idempotency-Key", en="The Idempotency-Key header is missing"
    ),
    # 401
    "not_authenticated": Code(status=401, es="Falta la identificación", en="Authentication is missing"),
    "authentication_failed": Code(status=401, es="La identificación no es válida", en="Authentication failed"),
    "key_expired": Code(status=401, es="La clave de API ha caducado", en="The API key has expired"),
    "key_revoked": Code(status=401, es="La clave de API está revocada", en="The API key is revoked"),
    "webhook_signature_invalid": Code(
        status=401, es="La firma del webhook no es válida", en="The webhook signature is not valid"
    ),
    "webhook_stale": Code(
        status=401, es="La firma del webhook ha caducado", en="The webhook timestamp is outside the tolerance"
    ),
    # 403, each one audited
    "role_not_allowed": Code(
        status=403, es="Tu función no permite esta operación", en="Your role does not allow this operation"
    ),
    "not_owner": Code(status=403, es="No tienes acceso a este documento", en="You have no access to this document"),
    "scope_missing": Code(status=403, es="La clave de API no tiene este permiso", en="The API key lacks this scope"),
    "country_out_of_scope": Code(status=403, es="País fuera de tu alcance", en="The country is outside your scope"),
    "second_person_required": Code(
        status=403, es="Tiene que aprobarlo otra persona", en="Another person has to approve it"
    ),
    "password_wrong": Code(status=403, es="La contraseña no es correcta", en="The password is wrong"),
    "key_wrong": Code(
        status=403, es="La llave de seguridad no ha respondido bien", en="The security key has not answered well"
    ),
    "event_type_not_allowed": Code(
        status=403,
        es="Este servicio no puede enviar este tipo de evento",
        en="This service may not send this type of event",
    ),
    "reason_required": Code(status=403, es="Indica el motivo del acceso", en="State the reason of this access"),
    "lookup_not_allowed": Code(
        status=403, es="La lista no se puede consultar por ese dato", en="The list cannot be asked by that"
    ),
    "csrf_failed": Code(status=403, es="La sesión del formulario ha caducado", en="The form's session has expired"),
    # 404, 405, 406, 415
    "not_found": Code(status=404, es="No existe", en="Not found"),
    "method_not_allowed": Code(status=405, es="Método no permitido", en="Method not allowed"),
    "document_immutable": Code(
        status=405,
        es="Un documento emitido no se modifica: emite una corrección",
        en="An issued document never changes: issue a correction",
    ),
    "not_acceptable": Code(status=406, es="Formato de respuesta no disponible", en="No such response format"),
    "unsupported_media_type": Code(status=415, es="Envía application/json", en="Send application/json"),
    # 409, 410, 413, 423, 429
    "document_key_conflict": Code(
        status=409, es="La clave de documento ya existe con otros datos", en="The document key exists with other data"
    ),
    "document_not_ready": Code(
        status=409, es="El documento aún no está resguardado", en="The document is not locked yet", retryable=True
    ),
    "decision_not_possible": Code(
        status=409,
        es="Esto ya no puede decidirse así: revisa su estado",
        en="This can no longer be decided this way: look at its state",
    ),
    "document_not_waiting": Code(
        status=409, es="El documento no está a la espera de esto", en="The document is not waiting for this"
    ),
    "idempotency_in_progress": Code(
        status=409,
        es="La misma petición está en curso: reintenta",
        en="The same request is being processed: try again",
        retryable=True,
    ),
    "already_credited": Code(status=409, es="Ya está abonado por completo", en="It is credited in full already"),
    "legal_hold_active": Code(status=409, es="Un legal hold lo protege", en="A legal hold protects it"),
    "hold_end_differs": Code(
        status=409, es="El asunto ya tiene otra fecha de fin", en="The matter has another end already"
    ),
    "retention_active": Code(status=409, es="Su plazo de conservación no ha acabado", en="Its retention is not over"),
    "document_disposed": Code(
        status=410,
        es="El archivo se eliminó al acabar su plazo de conservación",
        en="The file was disposed of after its retention",
    ),
    "link_expired": Code(status=410, es="El enlace ha caducado", en="The link has expired"),
    "link_revoked": Code(status=410, es="El enlace fue anulado", en="The link was revoked"),
    "link_exhausted": Code(status=410, es="El enlace agotó sus descargas", en="The link has no downloads left"),
    "payload_too_large": Code(status=413, es="El cuerpo supera 1 MiB", en="The body is larger than 1 MiB"),
    "document_quarantined": Code(status=423, es="Documento en cuarentena", en="The document is in quarantine"),
    "link_locked": Code(status=429, es="Demasiados intentos", en="Too many wrong answers", retryable=True),
    "password_locked": Code(
        status=429,
        es="Demasiadas contraseñas erróneas: vuelve a intentarlo en 15 minutos",
        en="Too many wrong passwords: try again in 15 minutes",
        retryable=True,
    ),
    "throttled": Code(status=429, es="Demasiadas peticiones", en="Too many requests", retryable=True),
    "idempotency_key_reused": Code(
        status=422,
        es="La clave de idempotencia se usó con otra petición",
        en="The idempotency key was used with another request",
    ),
    # 422 for the API; on signed events the same codes come as 202 `held`
    "totals_mismatch": Code(status=422, es="Los totales no cuadran", en="The totals do not match", severity="P2"),
    "tax_id_invalid": Code(
        status=422, es="La identificación fiscal no es válida", en="The tax id is not valid", severity="P2"
    ),
    "tax_code_unknown": Code(status=422, es="Código de impuesto desconocido", en="Unknown tax code", severity="P2"),
    "tax_rate_not_in_force": Code(
        status=422,
        es="El tipo impositivo no está vigente en esa fecha",
        en="The tax rate is not in force on that date",
        severity="P2",
    ),
    "issuer_unknown": Code(status=422, es="Emisor desconocido", en="Unknown issuer", severity="P2"),
    "country_unsupported": Code(status=422, es="País no disponible", en="Country not supported", severity="P2"),
    "currency_unsupported": Code(
        status=422, es="Moneda no disponible en este país", en="Currency not supported in this country", severity="P2"
    ),
    "time_implausible": Code(
        status=422,
        es="La fecha del hecho no puede ser",
        en="The fact cannot have happened then",
        severity="P2",
    ),
    "period_invalid": Code(status=422, es="El periodo no es válido", en="The period is not valid", severity="P2"),
    "payee_mismatch": Code(
        status=422, es="El beneficiario no corresponde", en="The payee is not the beneficiary", severity="P2"
    ),
    "payout_does_not_close": Code(
        status=422, es="El pago no cuadra al céntimo", en="The payout does not close to the cent", severity="P2"
    ),
    "credit_exceeds_remaining": Code(
        status=422, es="El abono supera lo que queda", en="The credit is more than what remains", severity="P2"
    ),
    "series_exhausted": Code(
        status=422,
        es="La serie autorizada está agotada",
        en="The authorised range of the series is used up",
        severity="P1",
    ),
    "issuing_paused": Code(
        status=422, es="La emisión de este emisor está en pausa", en="Issuing is paused for this issuer", severity="P1"
    ),
    "party_unknown": Code(status=422, es="Titular desconocido", en="Unknown party", severity="P2"),
    # 500, 503
    "internal_error": Code(status=500, es="Error interno", en="Internal error", retryable=True, severity="P2"),
    "render_failed": Code(
        status=500, es="No se pudo componer el PDF", en="The PDF could not be rendered", severity="P2"
    ),
    "worm_checksum_mismatch": Code(
        status=500, es="Los bytes resguardados no coinciden", en="The stored bytes differ", severity="P1"
    ),
    "worm_lock_missing": Code(status=500, es="El objeto no está bloqueado", en="The object has no lock", severity="P1"),
    "worm_lock_too_short": Code(
        status=500, es="El bloqueo vence antes de plazo", en="The lock ends too early", severity="P1"
    ),
    "worm_mode_weak": Code(status=500, es="El modo de bloqueo es débil", en="The lock mode is weak", severity="P1"),
    "worm_version_missing": Code(
        status=500, es="Falta la versión resguardada", en="The stored version is missing", severity="P1"
    ),
    "worm_delete_marker": Code(
        status=500, es="Un borrado tapa el documento", en="A deletion hides the document", severity="P1"
    ),
    "worm_extra_version": Code(
        status=500, es="Hay otra versión del documento", en="There is another version", severity="P1"
    ),
    "worm_still_locked": Code(
        status=500, es="La conservación no ha terminado", en="Its retention is not over", severity="P2"
    ),
    "record_differs": Code(
        status=500, es="Su registro no es el que se emitió", en="Its record is not what was issued", severity="P1"
    ),
    "audit_broken": Code(status=500, es="La bitácora no verifica", en="The audit log does not verify", severity="P1"),
    "render_timeout": Code(
        status=503,
        es="La composición del PDF tardó demasiado",
        en="Rendering took too long",
        retryable=True,
        severity="P2",
    ),
    "worm_unavailable": Code(
        status=503, es="La bóveda no responde", en="The vault does not answer", retryable=True, severity="P2"
    ),
    "worm_write_denied": Code(
        status=503, es="La bóveda rechaza la escritura", en="The vault refuses to write", retryable=True, severity="P2"
    ),
    "worm_bucket_misconfigured": Code(
        status=503, es="La bóveda está mal configurada", en="The vault is misconfigured", retryable=True, severity="P1"
    ),
    "audit_unavailable": Code(
        status=503, es="La bitácora no responde", en="The audit log does not answer", retryable=True, severity="P1"
    ),
    "dependency_degraded": Code(
        status=503, es="Servicio degradado: reintenta", en="Degraded: try again", retryable=True, severity="P2"
    ),
}


class Problem(Exception):
    """A refusal or failure with a code of CODES; doors turn it into problem+json, the line into a work item."""

    def __init__(
        self,
        *,
        code: str,
        values: Mapping[str, Value] | None = None,
        errors: Sequence[Fault] = (),
        status: int = 0,
    ) -> None:
        """`status` is given where a door answers with another one than the code's own."""
        self.code, self.values, self.errors = code, dict(values or {}), tuple(errors)
        self.row = CODES[code]
        self.status = status or self.row.status
        super().__init__(f"{code} {self.values}" if self.values else code)


def problem_at(*, pointer: str, code: str, values: Mapping[str, Value] | None = None) -> Problem:
    """Return a problem with one fault of the same code."""
    return Problem(code=code, errors=[Fault(pointer=pointer, code=code, values=values or {})])


class WormError(Problem):
    """A named failure of the vault's promise; its code begins with `worm_`."""
