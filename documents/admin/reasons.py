"""The reason for which support opens a document: stated first, on record, valid for one document and 15 minutes."""

import datetime as dt

from django import forms
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from audit import log
from audit.actions import Action
from documents.access import actors, roles
from documents.admin import rights
from documents.models import Document

VALID_FOR = dt.timedelta(minutes=15)
REASONS_MAX = 50
SESSION_KEY = "dc_reasons"


class ReasonForm(forms.Form):
    """The form that asks for a reason."""

    reason = forms.CharField(
        label=_("Motivo"),
        min_length=roles.REASON_LENGTH_MIN,
        max_length=roles.REASON_LENGTH_MAX,
        strip=True,
        widget=forms.Textarea(attrs={"rows": 3, "class": "dc-input"}),
        help_text=_("Al menos 10 caracteres; queda en la bitácora."),
    )


def opened(*, request: HttpRequest, document: Document, now: dt.datetime) -> bool:
    """Say whether the caller may open a document, by right or for a reason that is still valid."""
    if not roles.needs_reason(user=rights.person(request=request)):
        return True
    until = request.session.get(SESSION_KEY, {}).get(document.public_id, "")
    return bool(until) and now < dt.datetime.fromisoformat(until)


def state(*, request: HttpRequest, document: Document, reason: str, now: dt.datetime) -> None:
    """Record the reason and let the caller open the document for VALID_FOR."""
    with transaction.atomic():
        log.record(
            action=Action.DOCUMENT_REVEALED,
            object_type="document",
            object_id=document.public_id,
            actor=actors.actor(request=request),
            details={"reason": reason},
        )
    valid = {
        name: until
        for name, until in request.session.get(SESSION_KEY, {}).items()
        if dt.datetime.fromisoformat(until) > now
    }
    newest = dict(sorted(valid.items(), key=lambda pair: pair[1])[-(REASONS_MAX - 1) :])
    request.session[SESSION_KEY] = {**newest, document.public_id: (now + VALID_FOR).isoformat()}
