"""People who sign in: until when they may, what they were invited to, for whom they act and what was shown to them."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from documents.models.deliveries import DeliveryStatus
from documents.models.documents import Document
from documents.models.leased import Leased
from documents.models.parties import Party, public_id


class Person(models.Model):
    """What the access of a login ends by. The roles are its groups, its scope is guardian's and that of `Grant`.

    `public_id` is the name that the log has for the login. `documents.access.people` writes here.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.PROTECT, primary_key=True, related_name="person", verbose_name=_("usuario")
    )
    public_id = models.CharField(max_length=40, unique=True, editable=False)
    locale = models.CharField(_("idioma"), max_length=10, default="es")
    added_at = models.DateTimeField(_("alta"), db_default=Now())
    access_until_at = models.DateTimeField(_("acceso hasta"), null=True)
    suspended_at = models.DateTimeField(_("suspendida desde"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("persona"), _("personas")
        default_permissions = ()

    def __str__(self) -> str:
        return self.user.get_username()


class Grant(models.Model):
    """Lets a person act for one party, or read one document, until a moment. `documents.access.grants` writes here.

    Whoever is a party, for ever, has guardian's `own_party` instead.
    """

    public_id = public_id("grt")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="grants", verbose_name=_("usuario"))
    party = models.ForeignKey(Party, models.PROTECT, null=True, related_name="grants", verbose_name=_("titular"))
    document = models.ForeignKey(
        Document, models.PROTECT, null=True, related_name="grants", verbose_name=_("documento")
    )
    granted_at = models.DateTimeField(_("concedido el"), db_default=Now())
    expires_at = models.DateTimeField(_("caduca el"))
    withdrawn_at = models.DateTimeField(_("retirado el"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("permiso"), _("permisos")
        default_permissions = ()
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(party=None, document__isnull=False) | Q(party__isnull=False, document=None),
                name="grant_of_one_thing",
            ),
            models.CheckConstraint(condition=Q(expires_at__gt=F("granted_at")), name="grant_ends_later"),
            models.UniqueConstraint(
                fields=["user", "party", "document"],
                condition=Q(withdrawn_at=None),
                nulls_distinct=False,
                name="grant_once",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id


class Invitation(Leased):
    """A mail with a link by which a person sets a password, once. Only the hash of the link's token is stored."""

    public_id = public_id("inv")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="invitations", verbose_name=_("usuario")
    )
    token_sha256 = models.CharField(max_length=64, unique=True)
    status = models.CharField(_("estado"), max_length=12, choices=DeliveryStatus, default=DeliveryStatus.QUEUED)
    message_id = models.CharField(max_length=120, unique=True)
    cause = models.CharField(_("causa"), max_length=40, blank=True)
    queued_at = models.DateTimeField(_("en cola desde"), db_default=Now())
    sent_at = models.DateTimeField(_("enviado"), null=True)
    expires_at = models.DateTimeField(_("caduca el"))
    ended_at = models.DateTimeField(_("usada o sustituida el"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("invitación"), _("invitaciones")
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user"], condition=Q(ended_at=None), name="invitation_one_open"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_try_at"], condition=Q(status="QUEUED"), name="invitation_due"),
        ]

    def __str__(self) -> str:
        return self.public_id
