"""TABLE: what the pages of a secure link say when there is no document to show."""

import dataclasses

from django.utils.translation import gettext as _

from documents import formatting
from documents.delivery import links
from documents.models import Link, RevokeReason

AWAY = 503


@dataclasses.dataclass(frozen=True, kw_only=True)
class MessagePage:
    """One page: an HTTP status, a heading, lines, a sign with its tone, and whether a new link is offered."""

    status: int
    heading: str
    lines: tuple[str, ...]
    sign: str = "alert"
    tone: str = "warn"
    renew: bool = False


def message(*, name: str, link: Link | None) -> MessagePage:
    """Return a message page in the language in force; `link` gives its times and limits.

    A link that reached the wrong person is not renewed.

    :raises KeyError: for a name that no page has
    """
    page = _pages(link=link)[name]
    if link is not None and link.revoked_reason == RevokeReason.WRONG_PERSON:
        return dataclasses.replace(page, renew=False)
    return page


def _pages(*, link: Link | None) -> dict[str, MessagePage]:
    """Return every page by its name, in the language in force."""
    return _of_unusable_links(link=link) | _of_documents() | _of_requests()


def _of_unusable_links(*, link: Link | None) -> dict[str, MessagePage]:
    """Return the pages of a link that opens nothing now, by its state."""
    until = formatting.clock(when=link.locked_until_at, document=link.document) if link and link.locked_until_at else ""
    expired = formatting.moment(when=link.expires_at, document=link.document) if link else ""
    most = link.downloads_max if link else 0
    safe = _("Tu documento sigue guardado y seguro.")
    return {
        links.State.EXPIRED: MessagePage(
            status=410,
            heading=_("Este enlace ha caducado"),
            lines=(_("Por seguridad, los enlaces duran unos días. Este terminó el %s.") % expired, safe),
            sign="clock",
            renew=True,
        ),
        links.State.EXHAUSTED: MessagePage(
            status=410,
            heading=_("Este enlace agotó sus descargas"),
            lines=(_("Ya se descargó %d veces, que es el máximo.") % most, safe),
            sign="lock",
            renew=True,
        ),
        links.State.REVOKED: MessagePage(
            status=410,
            heading=_("Este enlace fue anulado"),
            lines=(_("Lo anulamos por seguridad y ya no abre nada."), safe),
            sign="lock",
            renew=True,
        ),
        links.State.LOCKED: MessagePage(
            status=429,
            heading=_("Demasiados intentos"),
            lines=(_("Vuelve a probar a las %s, o pide un enlace nuevo.") % until, safe),
            sign="lock",
            renew=True,
        ),
    }


def _of_documents() -> dict[str, MessagePage]:
    """Return the pages of a document that cannot be handed out now."""
    return {
        "preparing": MessagePage(
            status=200,
            heading=_("Lo estamos preparando"),
            lines=(
                _("Tu documento ya tiene número y se está resguardando. Suele tardar menos de un minuto."),
                _("Esta página se actualiza sola."),
            ),
            sign="clock",
            tone="",
        ),
        "withheld": MessagePage(
            status=423,
            heading=_("Lo estamos revisando"),
            lines=(
                _("Este documento no se puede descargar por ahora: lo está revisando nuestro equipo."),
                _("No tienes que hacer nada. Vuelve más tarde con este mismo enlace."),
            ),
            sign="search",
        ),
    }


def _of_requests() -> dict[str, MessagePage]:
    """Return the pages that answer a request: sent, noted, no such link, not available."""
    return {
        "renewed": MessagePage(
            status=200,
            heading=_("Revisa tu correo"),
            lines=(
                _("Si el documento es tuyo, en un momento tendrás un enlace nuevo en el correo que ya tenemos."),
                _("¿No llega? Mira en «no deseados» o escribe a soporte con la referencia de abajo."),
            ),
            sign="mail",
            tone="good",
        ),
        "reported": MessagePage(
            status=200,
            heading=_("Gracias por avisar"),
            lines=(_("Hemos anulado el enlace y avisado al equipo. No verás este documento."),),
            sign="check",
            tone="good",
        ),
        "unknown": MessagePage(
            status=404,
            heading=_("No encontramos este enlace"),
            lines=(_("Revisa que la dirección esté completa, tal como llegó en el correo."),),
            sign="search",
        ),
        "away": MessagePage(
            status=AWAY,
            heading=_("No podemos mostrarlo ahora"),
            lines=(_("Tu documento está guardado y seguro."), _("Vuelve a intentarlo dentro de unos 5 minutos.")),
            sign="clock",
        ),
    }
