"""Events as they came in, and the subjects that parked ones wait for."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from documents.models.parties import public_id


class EventStatus(models.TextChoices):
    """What became of an event."""

    PROCESSED = "processed", _("procesado")
    PARKED = "parked", _("en espera")
    HELD = "held", _("retenido en revisión")
    IGNORED = "ignored", _("ignorado")
    REFUSED = "refused", _("rechazado")


class Event(models.Model):
    """What another system sent, stored raw and once. `event_id` is the sender's; a refused event does not use it up."""

    public_id = public_id("evt")
    event_id = models.CharField(_("id del evento"), max_length=64, blank=True, db_index=True)
    service = models.CharField(_("servicio"), max_length=20)
    type = models.CharField(_("tipo"), max_length=64, blank=True)
    country_code = models.CharField(_("país"), max_length=2, blank=True)
    issuer_slug = models.CharField(_("emisor"), max_length=64, blank=True)
    subject = models.CharField(_("asunto"), max_length=140, blank=True, help_text="payment:pay_1, order:ord_1, ...")
    occurred_at = models.DateTimeField(_("ocurrido"), null=True)
    received_at = models.DateTimeField(_("recibido"), db_default=Now())
    body = models.BinaryField(null=True)
    body_sha256 = models.CharField(max_length=64)
    happened_at = models.DateTimeField(null=True, help_text="of the fact, once the body that says it has been erased")
    payload_sha256 = models.CharField(max_length=64, blank=True, help_text="of the canonical payload")
    status = models.CharField(_("estado"), max_length=10, choices=EventStatus)
    code = models.CharField(_("código"), max_length=40, blank=True)
    errors = models.JSONField(_("errores"), default=list)
    missing = models.JSONField(_("falta"), default=list)
    superseded_by = models.ForeignKey(
        "self", models.PROTECT, null=True, related_name="supersedes", verbose_name=_("resuelto por")
    )
    attempts = models.PositiveIntegerField(_("intentos"), default=0)
    next_try_at = models.DateTimeField(_("siguiente intento"), null=True)
    repeats = models.PositiveIntegerField(_("repeticiones"), default=0)
    document_ids = ArrayField(models.BigIntegerField(), default=list, help_text="documents that answer this event")

    class Meta:
        verbose_name, verbose_name_plural = _("evento"), _("eventos")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["event_id"], condition=~Q(status="refused"), name="event_once"),
            models.UniqueConstraint(fields=["body_sha256"], condition=Q(status="refused"), name="refused_body_once"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_try_at"], condition=Q(status="parked"), name="event_parked_due"),
            models.Index(fields=["status", "-id"], name="event_by_status"),
            models.Index(fields=["subject"], name="event_by_subject"),
            # Held while their issuer is paused: they are issued in the order in which they came.
            models.Index(
                fields=["issuer_slug", "id"], condition=Q(status="held", code="issuing_paused"), name="event_paused"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type or '?'} {self.event_id or self.public_id}"


class Wait(models.Model):
    """A subject (`order:ord_1`) that a parked event waits for; the event that brings it resumes the parked one."""

    event = models.ForeignKey(Event, models.CASCADE, related_name="waits")
    awaited = models.CharField(max_length=140, db_index=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["event", "awaited"], name="wait_once")]

    def __str__(self) -> str:
        return self.awaited
