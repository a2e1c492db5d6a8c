"""What needs a person: discrepancies and alerts."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from documents.models.documents import Document
from documents.models.events import Event
from documents.models.leased import Leased
from documents.models.parties import Country, public_id


class Resolution(models.TextChoices):
    """Why a discrepancy was resolved, where it was not by a person in that person's words."""

    NO_DIFFERENCE = "no_difference", _("la conciliación ya no encuentra diferencia")
    CASH_AGREES = "cash_agrees", _("el efectivo ya es el que declaran los pedidos")
    NOT_OVERPAID = "not_overpaid", _("lo liquidado ya no pasa de lo ganado")


class Discrepancy(models.Model):
    """Two records that differ, with their amounts and age; resolved by a later document or by a person."""

    public_id = public_id("dsc")
    code = models.CharField(_("código"), max_length=40)
    dedup_key = models.CharField(max_length=250)
    document = models.ForeignKey(
        Document, models.PROTECT, null=True, related_name="discrepancies", verbose_name=_("documento")
    )
    event = models.ForeignKey(Event, models.PROTECT, null=True, related_name="discrepancies", verbose_name=_("evento"))
    country = models.ForeignKey(Country, models.PROTECT, null=True, verbose_name=_("país"))
    facts = models.JSONField(_("hechos"), default=dict)
    opened_at = models.DateTimeField(_("abierta"), db_default=Now())
    resolved_at = models.DateTimeField(_("resuelta"), null=True)
    resolution = models.CharField(_("resolución"), max_length=500, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("discrepancia"), _("discrepancias")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["dedup_key"], condition=Q(resolved_at=None), name="discrepancy_once")
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.public_id}"


class Alert(Leased):
    """One incident: opened once, counted while it lasts, resolved on recovery, sent by one of two channels."""

    public_id = public_id("alr")
    dedup_key = models.CharField(max_length=200)
    code = models.CharField(_("código"), max_length=60)
    severity = models.CharField(_("gravedad"), max_length=2, choices=[("P1", "P1"), ("P2", "P2")])
    values = models.JSONField(_("valores"), default=dict)
    object_id = models.CharField(_("objeto"), max_length=140, blank=True)
    runbook = models.CharField(_("guía"), max_length=200)
    count = models.PositiveIntegerField(_("veces"), default=1)
    opened_at = models.DateTimeField(_("abierta"), db_default=Now())
    last_seen_at = models.DateTimeField(_("última vez"), db_default=Now())
    acknowledged_at = models.DateTimeField(_("reconocida"), null=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, verbose_name=_("reconocida por")
    )
    resolved_at = models.DateTimeField(_("resuelta"), null=True)
    sent_at = models.DateTimeField(_("avisada"), null=True)
    channel = models.CharField(
        max_length=20, blank=True, db_default="", help_text="the dependency that took the opening"
    )
    resolution_sent_at = models.DateTimeField(_("cierre avisado"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("alerta"), _("alertas")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["dedup_key"], condition=Q(resolved_at=None), name="alert_once")
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_try_at"], condition=Q(next_try_at__isnull=False), name="alert_due"),
        ]

    def __str__(self) -> str:
        return f"{self.severity} {self.code}"
