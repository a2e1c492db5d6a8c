"""The rounds in which what is locked is read again, and how long what is personal stays."""

import enum
from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from documents.models.leased import Leased


class CustodyRound(Leased):
    """One look at everything that is due: whoever has it leased goes on where another worker stopped.

    Which documents were read, the documents say themselves (`verified_at`).
    """

    began_at = models.DateTimeField(_("comenzada"), unique=True)
    ended_at = models.DateTimeField(_("terminada"), null=True)
    older = models.PositiveIntegerField(help_text="how many of those that are older than a day are still read")
    verified = models.PositiveIntegerField(_("verificados"), default=0)
    findings = models.PositiveIntegerField(_("hallazgos"), default=0)
    missing = models.PositiveIntegerField(_("sin fila"), default=0)
    overdue = models.PositiveIntegerField(_("fuera de plazo"), default=0)
    oldest_at = models.DateTimeField(_("la más antigua sin verificar"), null=True)
    unread = models.JSONField(default=list, help_text="ids of documents on which a defect of ours stopped the reading")

    class Meta:
        verbose_name, verbose_name_plural = _("ronda de custodia"), _("rondas de custodia")
        indexes: ClassVar = [
            models.Index(fields=["-began_at"], condition=models.Q(ended_at=None), name="custody_round_open")
        ]

    def __str__(self) -> str:
        return f"{self.began_at:%Y-%m-%d %H:%M} UTC"


class LogFile(models.Model):
    """A file of the sealed log that lies in a vault: a tile, a bundle of events or a checkpoint."""

    key = models.CharField(max_length=200)
    vault_url = models.CharField(max_length=400, help_text="the address of the store")
    vault_version = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    width = models.PositiveSmallIntegerField(help_text="hashes of a tile of leaves; 0 for any other file")
    stored_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [models.UniqueConstraint(fields=["vault_url", "key"], name="logfile_once")]
        indexes: ClassVar = [models.Index(fields=["vault_url", "width"], name="logfile_full_tiles")]

    def __str__(self) -> str:
        return self.key


class LogCommitment(models.Model):
    """What binds the documents of an hour to the sealed log and tells nobody its size.

    `digest` is the SHA-256 of 32 random bytes and a signed checkpoint, which lie together in the vault.
    """

    digest = models.CharField(max_length=64, unique=True)
    made_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.digest


class Erased(enum.StrEnum):
    """What is erased once it is old: personal details of the log, and the raw bodies of events."""

    DETAILS = "details"
    BODIES = "bodies"


class ErasurePeriod(models.Model):
    """After how many days something is erased, as `provision` has read it from the settings.

    The function that erases reads it here, because who calls it cannot change it.
    """

    what = models.CharField(max_length=10, primary_key=True, help_text="of `Erased`")
    days = models.PositiveIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.what} {self.days}"
