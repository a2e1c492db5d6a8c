"""What the vault did when it was attacked: one row a probe, for the whole deployment."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from documents.models.parties import public_id


class ProbeExtent(models.TextChoices):
    """How much a probe tries."""

    DAILY = "daily", _("diaria")  # with the product's own credentials, on an object of the vault itself
    FULL = "full", _("completa")  # everything, on a bucket of the same settings that holds no documents


class VaultProbe(models.Model):
    """A probe of the store behind an address: `attempts` is {attack: what became of it}. `vault.probes` writes here."""

    public_id = public_id("prb")
    vault_url = models.CharField(_("bóveda"), max_length=300, help_text="as VAULT_URL: it names no credentials")
    extent = models.CharField(_("alcance"), max_length=10, choices=ProbeExtent)
    passed = models.BooleanField(_("superada"))
    mode = models.CharField(_("modo de bloqueo"), max_length=20, blank=True)
    code = models.CharField(_("código"), max_length=60, blank=True)
    values = models.JSONField(default=dict)
    attempts = models.JSONField(_("intentos"), default=dict)
    probed_by = models.CharField(_("por"), max_length=100)
    probed_at = models.DateTimeField(_("probada"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("prueba de la bóveda"), _("pruebas de la bóveda")
        indexes: ClassVar = [models.Index(fields=["vault_url", "extent", "-id"], name="probe_of_vault")]

    def __str__(self) -> str:
        return f"{self.extent} {self.public_id}"
