"""Why somebody of support opens a document: stated first, on record, good for one document and a quarter of an hour."""

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

GOOD_FOR = dt.timedelta(minutes=15)
KEPT_MAX = 50
LENGTH_MIN, LENGTH_MAX = 10, 200
SESSION_KEY = "dc_reasons"


class ReasonForm(forms.Form):
    """A reason that somebody can read a year later."""

    reason = forms.CharField(
        label=_("Motivo"),
        min_length=LENGTH_MIN,
        max_length=LENGTH_MAX,
        strip=True,
        widget=forms.Textarea(attrs={"rows": 3, "class": "dc-input"}),
        help_text=_("Al menos 10 caracteres; queda en la bitácora."),
    )


def opened(*, request: HttpRequest, document: Document, now: dt.datetime) -> bool:
    """Say whether a document is open to the caller, by right or for a reason still good."""
    if not roles.needs_reason(user=rights.person(request=request)):
        return True
    until = request.session.get(SESSION_KEY, {}).get(document.public_id, "")
    return bool(until) and now < dt.datetime.fromisoformat(until)


def state(*, request: HttpRequest, document: Document, reason: str, now: dt.datetime) -> None:
    """Put the reason on record and let the caller in for a while."""
    with transaction.atomic():
        log.record(
            action=Action.DOCUMENT_REVEALED,
            object_type="document",
            object_id=document.public_id,
            actor=actors.actor(request=request),
            details={"reason": reason},
        )
    kept = {
        name: until
        for name, until in request.session.get(SESSION_KEY, {}).items()
        if dt.datetime.fromisoformat(until) > now
    }
    newest = dict(sorted(kept.items(), key=lambda pair: pair[1])[-(KEPT_MAX - 1) :])
    request.session[SESSION_KEY] = {**newest, document.public_id: (now + GOOD_FOR).isoformat()}
