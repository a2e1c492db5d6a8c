"""The mails: in the person's language, without amounts or anything remote, one link a document.

A letter is composed anew at each try and is the same each time: same Message-ID, same links.
"""

import datetime as dt
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parseaddr

import css_inline
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from documents import formatting, locks, standings
from documents.delivery import links
from documents.models import Channel, Delivery, Document, Invitation, Link, Notice, Party
from documents.rendering import printout


@dataclass(frozen=True, kw_only=True)
class LetterEntry:
    """One document in a letter, as the template shows it."""

    title: str
    number: str
    issuer: str
    monogram: str
    operation_date: str
    url: str
    expires: str
    asks_last4: bool
    changes: str = ""  # in a week's bundle: what has become of it since


def compose(*, batch: Sequence[Delivery], now: dt.datetime) -> EmailMultiAlternatives:
    """Write the letter of one delivery, or of a week's bundle: text and HTML that say the same.

    The Message-ID is that of the bundle's first delivery, fixed when it was queued. The recipient's row is locked until
    the links are made: a change of address that comes at once is seen here, or sees these links and ends them.
    """
    first = batch[0]
    with transaction.atomic():
        [first.recipient] = locks.rows(queryset=Party.objects.filter(pk=first.recipient_id))
        made = [(delivery.document, links.for_delivery(delivery=delivery, now=now)) for delivery in batch]
    with translation.override(formatting.of_party(party=first.recipient)):
        weekly = first.channel == Channel.DIGEST
        standing = standings.of(document=first.document)
        entries = [_entry(document=document, link=link, weekly=weekly) for document, link in made]
        name = "digest" if weekly else "document"
        context = {
            "language": formatting.language(),
            "entries": entries,
            "entry": entries[0],
            "document": first.document,
            "reference": first.public_id,
            "again": first.sequence > 1,
            "lead": standing.changes if first.sequence > 1 else standing.letter,
            "heading": _weekly_subject(count=len(entries)) if weekly else _subject(delivery=first, standing=standing),
            "tax_id_name": formatting.tax_id_name(document=first.document),
            "site": settings.PUBLIC_URL,
        }
        return _letter(name=name, context=context, to=first.recipient.email, message_id=first.message_id)


def contact_changed(*, notice: Notice) -> EmailMultiAlternatives:
    """Write to a party's former address that it is no longer the one on file.

    Anybody may read there by now, so it has no name, no new address and no link.
    """
    sender = parseaddr(settings.DEFAULT_FROM_EMAIL)[0]
    with translation.override(formatting.language_of(locale=notice.locale)):
        context = {
            "language": formatting.language(),
            "entry": {"issuer": sender, "monogram": printout.monogram(sender)},
            "reference": notice.public_id,
            "heading": _("El correo de tu cuenta ha cambiado"),
            "changed": formatting.day(date=((notice.event and notice.event.occurred_at) or notice.queued_at).date()),
        }
        return _letter(name="contact_changed", context=context, to=notice.address, message_id=notice.message_id)


def invitation(*, invitation: Invitation, url: str) -> EmailMultiAlternatives:
    """Write to a person that she may set a password; it names no role and nobody's data."""
    sender = parseaddr(settings.DEFAULT_FROM_EMAIL)[0]
    with translation.override(formatting.language_of(locale=invitation.user.person.locale)):
        context = {
            "language": formatting.language(),
            "entry": {"issuer": sender, "monogram": printout.monogram(sender)},
            "reference": invitation.public_id,
            "heading": _("Elige tu contraseña"),
            "login": invitation.user.get_username(),
            "url": url,
            "until": formatting.day(date=invitation.expires_at.date()),
        }
        to, message_id = invitation.user.email, invitation.message_id
        return _letter(name="invitation", context=context, to=to, message_id=message_id)


def _letter(*, name: str, context: Mapping[str, object], to: str, message_id: str) -> EmailMultiAlternatives:
    """Make a mail of the two templates of that name, in the language in force."""
    letter = EmailMultiAlternatives(
        subject=str(context["heading"]),
        body=_tidy(render_to_string(f"email/{name}.txt", dict(context))),
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[to],
        headers={
            "Message-ID": message_id,
            "Auto-Submitted": "auto-generated",
            "X-Entity-Ref-ID": str(context["reference"]),
            "Content-Language": str(context["language"]),
        },
    )
    letter.attach_alternative(_inliner().inline(render_to_string(f"email/{name}.html", dict(context))), "text/html")
    return letter


def _entry(*, document: Document, link: Link, weekly: bool) -> LetterEntry:
    """Return a document as the letter shows it."""
    return LetterEntry(
        title=formatting.title(document=document),
        number=document.number,
        issuer=document.issuer.legal_name,
        monogram=printout.monogram(document.issuer.legal_name),
        operation_date=formatting.day(date=document.operation_date),
        url=links.url(link=link),
        expires=formatting.moment(when=link.expires_at, document=document),
        asks_last4=link.knows == links.LAST4,
        changes=standings.of(document=document).changes if weekly else "",
    )


def _subject(*, delivery: Delivery, standing: standings.DocumentStanding) -> str:
    """Return the subject of the mail about one document."""
    return _("Tu enlace nuevo está listo") if delivery.sequence > 1 else standing.subject


def _weekly_subject(*, count: int) -> str:
    return ngettext("Tu documento de la semana", "Tus %(count)d documentos de la semana", count) % {"count": count}


def _tidy(text: str) -> str:
    """Drop the trailing blanks and runs of empty lines that template tags leave behind."""
    lines = [line.rstrip() for line in text.strip().splitlines()]
    tidied = [line for number, line in enumerate(lines) if line or (number and lines[number - 1])]
    return "\n".join(tidied) + "\n"


@functools.cache
def _inliner() -> css_inline.CSSInliner:
    """Return what moves styles into the tags; styles that it cannot move (dark mode) stay."""
    return css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True)
