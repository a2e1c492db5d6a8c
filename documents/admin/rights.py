"""What a member of staff may do in the Document Center, decided by `access` alone.

A superuser has no further rights here: Django's own `has_perm` is never asked, because it allows a superuser anything.
"""

from typing import TYPE_CHECKING, cast

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from documents.access import roles, scope
from documents.models import Country, Document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import QuerySet
    from django.utils.functional import _StrPromise

# TABLE: right -> its name on the page that refuses it, and who has it.
WORDS: "Mapping[str, tuple[_StrPromise, _StrPromise | str]]" = {
    "staff": (_("entrar en el Centro de documentos"), _("soporte, finanzas, cumplimiento, auditoría o administración")),
    "see": (_("ver los datos de los documentos"), _("soporte, finanzas, cumplimiento o auditoría")),
    "reveal": (_("ver los datos sin enmascarar"), _("finanzas, cumplimiento o auditoría")),
    "pdf": (_("ver y descargar el PDF"), _("soporte, finanzas, cumplimiento o auditoría")),
    "send": (_("enviar, reenviar y anular enlaces"), _("soporte o finanzas")),
    "retry": (_("reintentar una emisión"), _("finanzas")),
    "release": (_("liberar de la cuarentena"), _("cumplimiento")),
    "hold": (_("aplicar y retirar un legal hold"), _("cumplimiento")),
    "correct": (_("emitir notas de crédito"), _("finanzas")),
    "approve_difference": (_("resolver lo retenido y las discrepancias"), _("finanzas")),
    "resume_issuing": (_("reanudar la emisión de un emisor"), _("finanzas")),
    "reconcile": (_("ver lo que está por conciliar"), _("finanzas, cumplimiento o auditoría")),
    "acknowledge": (_("reconocer alertas"), _("soporte, finanzas o cumplimiento")),
    "people": (_("administrar personas, funciones y alcances"), _("administración")),
    "issuers": (_("cambiar los datos de un emisor y abrir sus series"), _("administración")),
    "audit": (_("ver la bitácora de auditoría"), _("cumplimiento o auditoría")),
    "scope": (_("ver los datos de ese país"), _("quien administra los alcances por país")),
    "lookup": (_("buscar por un dato que la lista no ofrece: usa su buscador y sus filtros"), ""),  # nobody has it
    "reason": (_("abrir el PDF sin indicar antes el motivo"), _("finanzas, cumplimiento o auditoría")),
}


class Refused(PermissionDenied):
    """A refusal that says which right is missing; the site turns it into an audited 403 page."""

    def __init__(
        self,
        *,
        right: str,
        code: str = "role_not_allowed",
        object_type: str = "page",
        object_id: str = "",
        details: "Mapping[str, str] | None" = None,
    ) -> None:
        super().__init__(right)
        self.right, self.code, self.object_type, self.object_id = right, code, object_type, object_id
        self.details = dict(details or {})


def may(*, request: HttpRequest, right: str) -> bool:
    """Say whether a member of staff has a right of the table; `staff` is the right to have any role."""
    user = request.user
    if not getattr(user, "is_staff", False):
        return False
    return bool(roles.roles_of(user=user) & holders(right=right))


def holders(*, right: str) -> frozenset[roles.Role]:
    """Return the roles of staff that have a right; an owner's right opens no page here."""
    return roles.STAFF if right == "staff" else roles.STAFF & roles.RIGHTS[right]


def require(*, request: HttpRequest, right: str, object_type: str, object_id: str) -> None:
    """Refuse a caller without the right.

    :raises Refused: audited by the site
    """
    if not may(request=request, right=right):
        raise Refused(right=right, object_type=object_type, object_id=object_id)


def person(*, request: HttpRequest) -> User:
    """Return who is signed in; the site's guard admits nobody else."""
    return cast("User", request.user)


def documents(*, request: HttpRequest) -> "QuerySet[Document]":
    """Return the documents of the caller's scope."""
    return scope.mine(request=request).rows()


def masked(*, request: HttpRequest) -> bool:
    """Say whether names and tax ids are masked for the caller (support)."""
    return not may(request=request, right="reveal")


def countries(*, request: HttpRequest) -> list[str]:
    """Return the codes of the countries in the caller's scope, read once per request."""
    codes: list[str] | None = getattr(request, "_dc_countries", None)
    if codes is None:
        codes = sorted(scope.countries_for(user=person(request=request)).values_list("pk", flat=True))
        request.__dict__["_dc_countries"] = codes
    return codes


def everywhere(*, request: HttpRequest) -> bool:
    """Say whether the scope covers every country: only then are rows without a country shown."""
    all_countries: bool | None = getattr(request, "_dc_everywhere", None)
    if all_countries is None:
        all_countries = Country.objects.count() == len(countries(request=request)) > 0
        request.__dict__["_dc_everywhere"] = all_countries
    return all_countries
