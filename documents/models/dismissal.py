"""What a person has taken off the work list without issuing it: by whom, why, and what settles it instead."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from documents.models.core import Document, Event


class ClosingState(models.TextChoices):
    """Whether the event is off the list."""

    CLOSED = "CLOSED", _("cerrado sin emitir")
    REOPENED = "REOPENED", _("vuelto a la lista")


class Closing(models.Model):
    """One closing of an event that is held, or waits past its limit, for the cause that it had then (`code`).

    The fact is not stopped: what it waited for, or a corrected event, still settles it; another cause reopens it.
    """

    # By the event's public id, so that the audit guard finds the event's own log entries.
    event = models.ForeignKey(
        Event, models.PROTECT, to_field="public_id", related_name="closings", verbose_name=_("evento")
    )
    state = models.CharField(_("situación"), max_length=10, choices=ClosingState, default=ClosingState.CLOSED)
    code = models.CharField(_("causa"), max_length=40)
    reason = models.CharField(_("motivo"), max_length=200)
    document = models.ForeignKey(
        Document, models.PROTECT, null=True, related_name="closings", verbose_name=_("documento que lo resuelve")
    )
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("cerrado por")
    )
    closed_at = models.DateTimeField(_("cerrado el"), db_default=Now())
    reopened_at = models.DateTimeField(_("vuelto a la lista el"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("cierre sin emitir"), _("cierres sin emitir")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["event"], condition=Q(state="CLOSED"), name="closing_once"),
            models.CheckConstraint(
                condition=Q(state="CLOSED", reopened_at=None) | Q(state="REOPENED", reopened_at__isnull=False),
                name="closing_reopened_at",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="closing_has_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} {self.state}"
