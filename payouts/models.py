"""Payouts, the documents that they settle, the approvals of those that do not close, and whose an order becomes.

Statements themselves are documents; these rows say which money paid them, and whose they became.
"""

import functools
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from documents import identifiers
from documents.models import Country, Document, Event, Issuer, Party


class PayoutState(models.TextChoices):
    """What became of a transfer of money."""

    SENT = "SENT", _("enviado")
    FAILED = "FAILED", _("fallido")
    RETURNED = "RETURNED", _("devuelto")
    CANCELED = "CANCELED", _("cancelado")
    CLOSED = "CLOSED", _("periodo cerrado sin pago")


class Payout(models.Model):
    """A transfer of money to a payee, or a period closed at zero or below.

    Balances are in the payee's favour when positive.
    """

    payout_id = models.CharField(_("id del pago"), max_length=64, unique=True)
    payee = models.ForeignKey(Party, models.PROTECT, verbose_name=_("beneficiario"))
    issuer = models.ForeignKey(Issuer, models.PROTECT, verbose_name=_("emisor"))
    country = models.ForeignKey(Country, models.PROTECT, verbose_name=_("país"))
    currency = models.CharField(_("moneda"), max_length=3)
    amount_minor = models.BigIntegerField(_("importe"))
    opening_minor = models.BigIntegerField(_("saldo inicial"), default=0)
    closing_minor = models.BigIntegerField(_("saldo final"), default=0)
    sent_at = models.DateTimeField(_("enviado"))
    # Its place in the chain of balances: its own moment and id, or those of the payout that it replaces.
    chained_at = models.DateTimeField()
    chained_as = models.CharField(max_length=64)
    state = models.CharField(_("estado"), max_length=10, choices=PayoutState)
    statement = models.OneToOneField(
        Document, models.PROTECT, null=True, related_name="payout", verbose_name=_("comprobante")
    )
    event = models.ForeignKey(Event, models.PROTECT, related_name="payouts", verbose_name=_("evento"))
    returned_at = models.DateTimeField(_("devuelto el"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("pago"), _("pagos")
        indexes: ClassVar = [models.Index(fields=["payee", "issuer", "currency", "chained_at"], name="payout_of_payee")]

    def __str__(self) -> str:
        return self.payout_id


class Settlement(models.Model):
    """How much a payout settles of one document: an order's statement, an adjustment's, or a credit."""

    payout = models.ForeignKey(Payout, models.PROTECT, related_name="settlements", verbose_name=_("pago"))
    document = models.ForeignKey(Document, models.PROTECT, related_name="settlements", verbose_name=_("documento"))
    amount_minor = models.BigIntegerField(_("importe"))
    effective = models.BooleanField(
        _("vigente"), default=True, help_text="false once the payout failed, came back or was canceled"
    )

    class Meta:
        verbose_name, verbose_name_plural = _("partida pagada"), _("partidas pagadas")
        constraints: ClassVar = [models.UniqueConstraint(fields=["payout", "document"], name="settlement_once")]
        indexes: ClassVar = [
            models.Index(fields=["document"], condition=Q(effective=True), name="settlement_effective")
        ]

    def __str__(self) -> str:
        return f"{self.payout_id} {self.document_id}"


class RefundReplacement(models.Model):
    """A refund that gives the money of one that failed back once more, under that one's credit note."""

    refund = models.CharField(_("devolución"), max_length=64, unique=True)
    replaces = models.CharField(_("sustituye a"), max_length=64)
    note = models.ForeignKey(
        Document, models.PROTECT, related_name="refund_replacements", verbose_name=_("nota de crédito")
    )
    event = models.ForeignKey(Event, models.PROTECT, related_name="+", verbose_name=_("evento"))
    fingerprint = models.CharField(max_length=64, help_text="by which a repeat of the refund is known")

    class Meta:
        verbose_name, verbose_name_plural = _("devolución repetida"), _("devoluciones repetidas")

    def __str__(self) -> str:
        return self.refund


class Reassignment(models.Model):
    """From when on an order's money is somebody else's; before its first one it is whom the order itself names.

    Rows are only added: of an order each begins with the owner whom the one before it made.
    """

    reassignment_id = models.CharField(_("id de la reasignación"), max_length=64, unique=True)
    order_id = models.CharField(_("id del pedido"), max_length=64, db_index=True)
    made_at = models.DateTimeField(_("reasignado"))
    former = models.ForeignKey(Party, models.PROTECT, related_name="+", verbose_name=_("titular anterior"))
    owner = models.ForeignKey(Party, models.PROTECT, related_name="+", verbose_name=_("titular"))
    event = models.OneToOneField(Event, models.PROTECT, related_name="reassignment", verbose_name=_("evento"))

    class Meta:
        verbose_name, verbose_name_plural = _("reasignación"), _("reasignaciones")

    def __str__(self) -> str:
        return self.reassignment_id


class ApprovalState(models.TextChoices):
    """What became of a request to issue a payout with its difference."""

    REQUESTED = "REQUESTED", _("propuesta")
    APPROVED = "APPROVED", _("aprobada")
    WITHDRAWN = "WITHDRAWN", _("sustituida")


class DifferenceApproval(models.Model):
    """One person requests to issue a payout with its difference, another one approves; a constraint keeps them two.

    They agree on the difference: should it change in between, the request has to be made again.
    """

    public_id = models.CharField(
        max_length=40, unique=True, editable=False, default=functools.partial(identifiers.new, prefix="stl")
    )
    # By the event's public id, so that the audit guard finds the event's own log entries.
    event = models.ForeignKey(
        Event, models.PROTECT, to_field="public_id", related_name="difference_approvals", verbose_name=_("evento")
    )
    state = models.CharField(_("situación"), max_length=10, choices=ApprovalState, default=ApprovalState.REQUESTED)
    difference_minor = models.BigIntegerField(_("diferencia"))
    currency = models.CharField(_("moneda"), max_length=3)
    reason = models.CharField(_("motivo"), max_length=200)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("propuesta por")
    )
    requested_at = models.DateTimeField(_("propuesta el"), db_default=Now())
    approval = models.CharField(_("motivo de la aprobación"), max_length=200, blank=True)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name=_("aprobada por")
    )
    approved_at = models.DateTimeField(_("aprobada el"), null=True)

    class Meta:
        db_table = "payouts_settlementrequest"
        verbose_name, verbose_name_plural = _("partida por conciliar"), _("por conciliar")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["event"], condition=~Q(state="WITHDRAWN"), name="settlement_request_once"),
            models.CheckConstraint(
                condition=Q(approved_by=None) | ~Q(approved_by=F("requested_by")), name="settlement_request_two_people"
            ),
            models.CheckConstraint(
                condition=Q(state="APPROVED", approved_by__isnull=False, approved_at__isnull=False)
                | (~Q(state="APPROVED") & Q(approved_by=None, approved_at=None)),
                name="settlement_request_approved_by_someone",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id


class TripReport(models.Model):
    """A trip that a driver or partner misses: it stays on the panel until somebody has answered it.

    `payouts.accounts.reports` writes here.
    """

    public_id = models.CharField(
        max_length=40, unique=True, editable=False, default=functools.partial(identifiers.new, prefix="rep")
    )
    party = models.ForeignKey(Party, models.PROTECT, related_name="+", verbose_name=_("titular"))
    country = models.ForeignKey(Country, models.PROTECT, verbose_name=_("país"))
    trip = models.CharField(_("viaje"), max_length=64)
    note = models.CharField(_("qué falta"), max_length=500, blank=True)
    form_sha256 = models.CharField(max_length=64, unique=True, help_text="of the form that it was sent with")
    reported_at = models.DateTimeField(_("avisado el"), db_default=Now())
    answer = models.CharField(_("respuesta"), max_length=200, blank=True)
    answered_at = models.DateTimeField(_("respondido el"), null=True)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name=_("respondido por")
    )

    class Meta:
        verbose_name, verbose_name_plural = _("viaje que falta"), _("viajes que faltan")
        default_permissions = ()
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(answer="", answered_at=None, answered_by=None)
                | (~Q(answer="") & Q(answered_at__isnull=False, answered_by__isnull=False)),
                name="report_answered_by_someone",
            )
        ]
        indexes: ClassVar = [models.Index(fields=["party", "-id"], name="report_of_party")]

    def __str__(self) -> str:
        return self.public_id
