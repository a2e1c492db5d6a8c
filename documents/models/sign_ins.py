"""How drivers and partners come in without a password: a code by mail, and the session that it opens."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from documents.models.deliveries import DeliveryStatus
from documents.models.leased import Leased
from documents.models.parties import Party, public_id

OF_SOMEBODY = Q(party=None, user__isnull=False) | Q(party__isnull=False, user=None)


class SignInCode(Leased):
    """A mail with a code for somebody who owns documents. The code is worked out from the row and never stored.

    The address is stored only while the mail waits. `documents.delivery.sign_in_codes` writes here.
    """

    public_id = public_id("cod")
    party = models.ForeignKey(Party, models.PROTECT, null=True, related_name="+", verbose_name=_("titular"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name=_("usuario")
    )
    address = models.EmailField(max_length=254, blank=True, help_text="where the mail goes; empty once it has gone")
    address_digest = models.CharField(max_length=64, help_text="keyed digest of the address")
    locale = models.CharField(_("idioma"), max_length=10)
    status = models.CharField(_("estado"), max_length=12, choices=DeliveryStatus, default=DeliveryStatus.QUEUED)
    message_id = models.CharField(max_length=120, unique=True)
    cause = models.CharField(_("causa"), max_length=40, blank=True)
    queued_at = models.DateTimeField(_("en cola desde"), db_default=Now())
    sent_at = models.DateTimeField(_("enviado"), null=True)
    wrong_answers = models.PositiveIntegerField(_("fallos"), default=0)
    used_at = models.DateTimeField(_("usado"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("código de acceso"), _("códigos de acceso")
        default_permissions = ()
        constraints: ClassVar = [
            models.CheckConstraint(condition=OF_SOMEBODY, name="code_of_somebody"),
            models.CheckConstraint(
                condition=(Q(status="QUEUED") & ~Q(address="")) | (~Q(status="QUEUED") & Q(address="")),
                name="code_forgets_address",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_try_at"], condition=Q(status="QUEUED"), name="code_due"),
            models.Index(fields=["address_digest", "queued_at"], name="code_of_address"),
        ]

    def __str__(self) -> str:
        return self.public_id


class PanelSession(models.Model):
    """A browser in which somebody has signed in to the panel; it ends with its time, or once the address is another.

    Only the hash of its token is stored. `documents.access.panel_sessions` writes here.
    """

    public_id = public_id("ses")
    code = models.OneToOneField(SignInCode, models.PROTECT, related_name="session")
    party = models.ForeignKey(Party, models.PROTECT, null=True, related_name="+", verbose_name=_("titular"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name=_("usuario")
    )
    address_digest = models.CharField(max_length=64, help_text="keyed digest of the address that it was opened for")
    token_sha256 = models.CharField(max_length=64, unique=True)
    form_sha256 = models.CharField(max_length=64, help_text="of the form that opened it: sent twice, it opens it again")
    started_at = models.DateTimeField(_("iniciada"), db_default=Now())
    expires_at = models.DateTimeField(_("caduca"))
    ended_at = models.DateTimeField(_("cerrada"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("sesión del panel"), _("sesiones del panel")
        default_permissions = ()
        constraints: ClassVar = [
            models.CheckConstraint(condition=OF_SOMEBODY, name="panel_session_of_somebody"),
            models.CheckConstraint(condition=Q(expires_at__gt=F("started_at")), name="panel_session_lives"),
        ]
        indexes: ClassVar = [models.Index(fields=["address_digest"], name="panel_session_of_address")]

    def __str__(self) -> str:
        return self.public_id
