"""What moved and what it settles. Statements themselves are documents; these rows tie money to them."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from documents.models import Country, Document, Event, Issuer, Party


class PayoutState(models.TextChoices):
    """What became of a transfer of money."""

    SENT = "SENT", _("enviado")
    FAILED = "FAILED", _("fallido")
    RETURNED = "RETURNED", _("devuelto")
    CLOSED = "CLOSED", _("periodo cerrado sin pago")


class Payout(models.Model):
    """A transfer of money to a payee (or a period closed at zero or below). Balances are in the payee's favour when positive."""

    payout_id = models.CharField(_("id del pago"), max_length=64, unique=True)
    payee = models.ForeignKey(Party, models.PROTECT, verbose_name=_("beneficiario"))
    issuer = models.ForeignKey(Issuer, models.PROTECT, verbose_name=_("emisor"))
    country = models.ForeignKey(Country, models.PROTECT, verbose_name=_("país"))
    currency = models.CharField(_("moneda"), max_length=3)
    amount_minor = models.BigIntegerField(_("importe"))
    opening_minor = models.BigIntegerField(_("saldo inicial"), default=0)
    closing_minor = models.BigIntegerField(_("saldo final"), default=0)
    sent_at = models.DateTimeField(_("enviado"))
    state = models.CharField(_("estado"), max_length=10, choices=PayoutState)
    statement = models.OneToOneField(Document, models.PROTECT, null=True, related_name="payout", verbose_name=_("comprobante"))
    event = models.ForeignKey(Event, models.PROTECT, related_name="payouts", verbose_name=_("evento"))
    returned_at = models.DateTimeField(_("devuelto el"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("pago"), _("pagos")
        indexes: ClassVar = [models.Index(fields=["payee", "issuer", "currency", "sent_at"], name="payout_of_payee")]

    def __str__(self) -> str:
        return self.payout_id


class Settlement(models.Model):
    """A payout settles so much of one document (an order's statement, an adjustment's, a credit)."""

    payout = models.ForeignKey(Payout, models.PROTECT, related_name="settlements", verbose_name=_("pago"))
    document = models.ForeignKey(Document, models.PROTECT, related_name="settlements", verbose_name=_("documento"))
    amount_minor = models.BigIntegerField(_("importe"))
    effective = models.BooleanField(_("vigente"), default=True, help_text="false once the payout failed or came back")

    class Meta:
        verbose_name, verbose_name_plural = _("partida pagada"), _("partidas pagadas")
        constraints: ClassVar = [models.UniqueConstraint(fields=["payout", "document"], name="settlement_once")]
        indexes: ClassVar = [models.Index(fields=["document"], condition=Q(effective=True), name="settlement_effective")]

    def __str__(self) -> str:
        return f"{self.payout_id} {self.document_id}"
