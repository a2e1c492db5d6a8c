"""Events that a person has dismissed: taken off the work list, by whom, why, and what resolves them."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from documents.models.documents import Document
from documents.models.events import Event


class DismissalState(models.TextChoices):
    """Whether the event is off the list."""

    DISMISSED = "DISMISSED", _("cerrado sin emitir")
    REOPENED = "REOPENED", _("vuelto a la lista")


class Dismissal(models.Model):
    """One dismissal of an event that is held, or waits past its limit, for the cause that it had then (`code`).

    The fact is not stopped: what it waited for, or a corrected event, still supersedes it; another cause reopens it.
    """

    # By the event's public id, so that the audit guard finds the event's own log entries.
    event = models.ForeignKey(
        Event, models.PROTECT, to_field="public_id", related_name="dismissals", verbose_name=_("evento")
    )
    state = models.CharField(_("situación"), max_length=10, choices=DismissalState, default=DismissalState.DISMISSED)
    code = models.CharField(_("causa"), max_length=40)
    reason = models.CharField(_("motivo"), max_length=200)
    document = models.ForeignKey(
        Document, models.PROTECT, null=True, related_name="dismissals", verbose_name=_("documento que lo resuelve")
    )
    dismissed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("cerrado por")
    )
    dismissed_at = models.DateTimeField(_("cerrado el"), db_default=Now())
    reopened_at = models.DateTimeField(_("vuelto a la lista el"), null=True)

    class Meta:
        db_table = "documents_closing"  # the name it was made with
        verbose_name, verbose_name_plural = _("cierre sin emitir"), _("cierres sin emitir")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["event"], condition=Q(state="DISMISSED"), name="dismissal_once"),
            models.CheckConstraint(
                condition=Q(state="DISMISSED", reopened_at=None) | Q(state="REOPENED", reopened_at__isnull=False),
                name="dismissal_reopened_at",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="dismissal_has_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} {self.state}"
