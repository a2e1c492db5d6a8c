"""TABLE: what the pages of a secure link say when there is no document to show."""

import dataclasses
import datetime as dt

from django.utils.translation import gettext as _

from documents import formatting
from documents.delivery import links
from documents.models import Link, RevokeReason

TOO_MANY, AWAY = 429, 503


@dataclasses.dataclass(frozen=True, kw_only=True)
class MessagePage:
    """One page: an HTTP status, a heading, lines, a sign with its tone, and whether a new link is offered."""

    status: int
    heading: str
    lines: tuple[str, ...]
    sign: str = "alert"
    tone: str = "warn"
    renew: bool = False


def message(*, name: str, link: Link | None, until_at: dt.datetime | None = None) -> MessagePage:
    """Return a message page in the language in force; `link` gives its times and limits.

    :param until_at: when it may be tried again.

    A link that reached the wrong person is not renewed, nor is a shared one: its owner makes another.

    :raises KeyError: for a name that no page has
    """
    page = _pages(link=link, until_at=until_at)[name]
    if link is not None and link.reader:
        return dataclasses.replace(page, renew=False, lines=_to_a_reader(name=name, link=link, lines=page.lines))
    if link is not None and link.revoked_reason == RevokeReason.WRONG_PERSON:
        return dataclasses.replace(page, renew=False)
    return page


def _to_a_reader(*, name: str, link: Link, lines: tuple[str, ...]) -> tuple[str, ...]:
    """Return the lines of a page for the reader of a shared link, whose document it is not."""
    lines = tuple(line for line in lines if line != _safe())
    if name not in {links.State.EXPIRED, links.State.EXHAUSTED, links.State.REVOKED}:
        return lines
    if link.revoked_reason == RevokeReason.BY_OWNER:
        lines = (_("Quien lo compartía contigo lo anuló y ya no abre nada."),)
    return (*lines, _("Si todavía necesitas el documento, pide otro enlace a quien te pasó este."))


def _safe() -> str:
    """Return what calms the owner of a document whose link is shut."""
    return _("Tu documento sigue guardado y seguro.")


def _pages(*, link: Link | None, until_at: dt.datetime | None) -> dict[str, MessagePage]:
    """Return every page by its name, in the language in force."""
    many = _of_too_many(link=link, until_at=until_at)
    return _of_unusable_links(link=link) | many | _of_documents() | _of_requests()


def _of_too_many(*, link: Link | None, until_at: dt.datetime | None) -> dict[str, MessagePage]:
    """Return the pages after too many wrong answers: at this link, or about this person or from this connection."""
    clock = formatting.clock(when=until_at, document=link.document) if link and until_at else ""
    moment = formatting.moment(when=until_at, document=link.document) if link and until_at else ""
    safe = _safe()
    heading = _("Demasiados intentos")
    return {
        links.State.LOCKED: MessagePage(
            status=TOO_MANY,
            heading=heading,
            lines=(_("Vuelve a probar a las %s, o pide un enlace nuevo.") % clock, safe),
            sign="lock",
            renew=True,
        ),
        "limited": MessagePage(
            status=TOO_MANY,
            heading=heading,
            lines=(
                _("Hubo demasiadas respuestas erróneas. Vuelve a probar desde el %s.") % moment,
                _("¿Tienes prisa? Escríbenos a la dirección de abajo con la referencia."),
                safe,
            ),
            sign="lock",
        ),
    }


def _of_unusable_links(*, link: Link | None) -> dict[str, MessagePage]:
    """Return the pages of a link that opens nothing any more, by its state."""
    expired = formatting.moment(when=link.expires_at, document=link.document) if link else ""
    most = link.downloads_max if link else 0
    safe = _safe()
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
        "gone": MessagePage(
            status=410,
            heading=_("Ya no se conserva"),
            lines=(_("Acabó el plazo legal de conservación de este documento y su archivo se eliminó."),),
            sign="clock",
            tone="",
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
                _("¿No llega? Mira en «no deseados» o escríbenos a la dirección de abajo con la referencia."),
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
