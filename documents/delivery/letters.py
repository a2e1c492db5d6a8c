"""The mails: in the person's language, without amounts or anything remote, one link in each.

A letter is composed anew at each try and is the same each time: same Message-ID, same links.
"""

import dataclasses
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
from documents.delivery import codes, links
from documents.models import Delivery, Document, Invitation, Issuer, Notice, Party, SignInCode
from documents.rendering import printout

LISTED_MAX = 20  # documents that a week's letter names; its link leads to all of them


@dataclass(frozen=True, kw_only=True)
class LetterEntry:
    """One document in a letter, as the template shows it."""

    title: str
    number: str
    operation_date: str
    changes: str = ""  # in a week's mail: what has become of it since


def compose(*, batch: Sequence[Delivery], now: dt.datetime) -> EmailMultiAlternatives:
    """Write the letter of one delivery, or of a week's bundle: text and HTML that say the same.

    The Message-ID is that of the bundle's first delivery, fixed when it was queued. The recipient's row is locked until
    the links are made: a change of address that comes at once is seen here, or sees these links and ends them.
    """
    first = batch[0]
    with transaction.atomic():
        [first.recipient] = locks.rows(queryset=Party.objects.filter(pk=first.recipient_id))
        link = links.for_delivery(delivery=first, now=now)
    with translation.override(formatting.of_party(party=first.recipient)):
        again = first.sequence > 1
        context = _common(issuer=first.document.issuer, reference=first.public_id) | {
            "document": first.document,
            "again": again,
            "url": links.url(link=link),
            "expires": formatting.moment(when=link.expires_at, document=first.document),
            "asks": link.knows,
            "tax_id_name": formatting.tax_id_name(document=first.document),
        }
        context |= _of_week(batch=batch) if link.weekly else _of_document(delivery=first)
        name = "digest" if link.weekly else "document"
        return _letter(name=name, context=context, to=first.recipient.email, message_id=first.message_id)


def contact_changed(*, notice: Notice) -> EmailMultiAlternatives:
    """Write to a party's former address that it is no longer the one on file.

    Anybody may read there by now, so it has no name, no new address and no link.
    """
    occurred_at = notice.event.occurred_at if notice.event else None
    with translation.override(formatting.language_of(locale=notice.locale)):
        context = _common(issuer=None, reference=notice.public_id) | {
            "heading": _("El correo de tu cuenta ha cambiado"),
            "changed": formatting.day(date=(occurred_at or notice.queued_at).date()),
        }
        return _letter(name="contact_changed", context=context, to=notice.address, message_id=notice.message_id)


def invitation(*, invitation: Invitation, url: str) -> EmailMultiAlternatives:
    """Write to a person that she may set a password; it names no role and nobody's data."""
    with translation.override(formatting.language_of(locale=invitation.user.person.locale)):
        context = _common(issuer=None, reference=invitation.public_id) | {
            "heading": _("Elige tu contraseña"),
            "login": invitation.user.get_username(),
            "url": url,
            "until": formatting.day(date=invitation.expires_at.date()),
        }
        to, message_id = invitation.user.email, invitation.message_id
        return _letter(name="invitation", context=context, to=to, message_id=message_id)


def link_code(*, notice: Notice) -> EmailMultiAlternatives:
    """Write the code that opens a link, to the address on file. The code leads the subject: phones show that much."""
    link = notice.link
    if link is None:
        raise ValueError(f"{notice.public_id} brings no code")
    with translation.override(formatting.language_of(locale=notice.locale)):
        code = codes.code(notice=notice)
        context = _common(issuer=link.document.issuer, reference=notice.public_id) | {
            "heading": _("%(code)s es tu código") % {"code": code},
            "code": code,
            "minutes": codes.LIFE // dt.timedelta(minutes=1),
        }
        return _letter(name="code", context=context, to=notice.address, message_id=notice.message_id)


def sign_in_code(*, row: SignInCode, figures: str, minutes: int) -> EmailMultiAlternatives:
    """Write the code with which somebody signs in to the panel. It leads the subject, as that of a link does."""
    with translation.override(formatting.language_of(locale=row.locale)):
        context = _common(issuer=None, reference=row.public_id) | {
            "heading": _("%(code)s es tu código") % {"code": figures},
            "code": figures,
            "minutes": minutes,
        }
        return _letter(name="sign_in", context=context, to=row.address, message_id=row.message_id)


def _common(*, issuer: Issuer | None, reference: str) -> dict[str, object]:
    """Return what every letter shows: who writes, and where to ask."""
    sender = issuer.legal_name if issuer else parseaddr(settings.DEFAULT_FROM_EMAIL)[0]
    return {
        "language": formatting.language(),
        "issuer": sender,
        "monogram": printout.monogram(sender),
        "support": formatting.support(issuer=issuer),
        "reference": reference,
    }


def _of_document(*, delivery: Delivery) -> dict[str, object]:
    """Return what the letter about one document says of it."""
    standing, again = standings.of(document=delivery.document), delivery.sequence > 1
    return {
        "heading": _("Tu enlace nuevo está listo") if again else standing.subject,
        "lead": standing.changes if again else standing.letter,
        "entry": _entry(document=delivery.document),
    }


def _of_week(*, batch: Sequence[Delivery]) -> dict[str, object]:
    """Return what a week's letter says of its documents: how many there are, of which days, and the first of them."""
    documents = sorted((delivery.document for delivery in batch), key=lambda row: (row.operation_date, row.pk))
    listed = documents[:LISTED_MAX]
    return {
        "heading": _weekly_subject(count=len(documents)),
        "days": formatting.days(first=documents[0].operation_date, last=documents[-1].operation_date),
        "entries": [
            dataclasses.replace(_entry(document=row), changes=standings.of(document=row).changes) for row in listed
        ],
        "more": len(documents) - len(listed),
    }


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


def _entry(*, document: Document) -> LetterEntry:
    """Return a document as a letter shows it."""
    return LetterEntry(
        title=formatting.title(document=document),
        number=document.number,
        operation_date=formatting.day(date=document.operation_date),
    )


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
