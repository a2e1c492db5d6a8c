"""Shared links: made by a document's owner for a named reader, a bank or a landlord, who opens one with a code.

The owner passes the code on. It is worked out from the link and never stored.
"""

import datetime as dt

from django.db import transaction
from django.db.models import QuerySet

from audit import log
from documents import locks
from documents.delivery import codes, deliveries, keyed, links
from documents.models import Document, Link

READER_LENGTH_MAX = 60


def create(
    *, document: Document, reader: str, now: dt.datetime, actor: log.Actor, form_sha256: str | None = None
) -> Link:
    """Share a document with a reader; the same form sent twice shares it once.

    :param form_sha256: None where the caller repeats nothing by himself
    :raises errors.Problem: `document_not_ready`, `document_quarantined`, `document_disposed`
    """
    deliveries.check_locked(document=document)
    with transaction.atomic():
        locks.rows(queryset=Document.objects.filter(pk=document.pk).only("pk"))
        made = Link.objects.filter(form_sha256=form_sha256).first() if form_sha256 else None
        return made or links.create(
            document=document,
            recipient=document.owner,
            delivery=None,
            now=now,
            actor=actor,
            reader=reader,
            form_sha256=form_sha256,
        )


def reader_of(*, text: str) -> str:
    """Return a reader's name as it is kept, "" for what names nobody."""
    return "".join(filter(str.isprintable, " ".join(text.split())))[:READER_LENGTH_MAX].strip()


def code(*, link: Link) -> str:
    """Return the code that opens a shared link."""
    return keyed.figures(secret=keyed.digest(text=f"shared:{link.public_id}"), count=codes.FIGURES)


def answers(*, link: Link, given: str) -> bool:
    """Tell whether an answer opens a shared link."""
    return link.knows == links.SHARED and keyed.is_code(
        given=given, text=f"shared:{link.public_id}", count=codes.FIGURES
    )


def of(*, owners: frozenset[int]) -> QuerySet[Link]:
    """Return what owners have shared, the newest first."""
    rows = Link.objects.filter(recipient__in=owners).exclude(reader="").order_by("-pk")
    return rows.select_related("document__issuer").defer("document__issuer__logo", "document__content")
