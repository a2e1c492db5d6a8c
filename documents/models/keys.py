"""Keys of programs, how often each has asked, and what it was answered when it changed something."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from documents.models.parties import Party, public_id


class ApiKey(models.Model):
    """A secret by which a program acts as a user; the database has only its HMAC. `documents.access.keys` writes here.

    A key of a party reaches no other party's documents, whatever its user owns besides.
    """

    public_id = public_id("key")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("usuario"))
    party = models.ForeignKey(Party, models.PROTECT, null=True, verbose_name=_("titular"))
    name = models.CharField(_("nombre"), max_length=100)
    scopes = ArrayField(models.CharField(max_length=40), verbose_name=_("permisos"))
    digest = models.CharField(max_length=64, editable=False)
    rotates = models.OneToOneField(
        "self", models.PROTECT, null=True, related_name="rotated_by", verbose_name=_("sustituye a")
    )
    created_at = models.DateTimeField(_("creada"), db_default=Now())
    expires_at = models.DateTimeField(_("caduca"))
    revoked_at = models.DateTimeField(_("revocada"), null=True)
    last_used_at = models.DateTimeField(_("último uso"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("clave de API"), _("claves de API")
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(scopes__len__gt=0), name="key_may_something"),
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="key_lives"),
        ]

    def __str__(self) -> str:
        return self.public_id


class RateCount(models.Model):
    """How many requests somebody has made in the window of now. `documents.access.rates` counts."""

    caller = models.CharField(max_length=64, primary_key=True)
    window_number = models.BigIntegerField(help_text="epoch seconds by the window's length")
    count = models.PositiveIntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.caller


class IdempotentAnswer(models.Model):
    """What a change answered to an `Idempotency-Key`, committed with the change. `documents.access.idempotency` writes.

    `request_digest` is the SHA-256 of caller, method, address and key; `fingerprint` that of the body.
    """

    request_digest = models.CharField(max_length=64, primary_key=True)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    body = models.TextField(blank=True, help_text="without what is shown once")
    created_at = models.DateTimeField(db_default=Now(), db_index=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.request_digest
