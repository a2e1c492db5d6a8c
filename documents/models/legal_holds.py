"""Legal holds: matters for which documents stay beyond their retention, until two people release them."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from documents.models.documents import Document
from documents.models.parties import Country, Party, public_id


class HoldState(models.TextChoices):
    """How far a matter is from its end; it holds its documents until it is RELEASED, or ENDED by its own date."""

    SET = "SET", _("vigente")
    RELEASE_REQUESTED = "RELEASE_REQUESTED", _("retirada propuesta")
    RELEASED = "RELEASED", _("retirado")
    ENDED = "ENDED", _("vencido")


OVER = (HoldState.RELEASED, HoldState.ENDED)


class LegalHold(models.Model):
    """A matter of one country, by its reference: why its documents stay, who set it, and which two people ended it.

    What it covers are its scopes. `hold_until` is the last day on which it holds, in its country, as it was set;
    without one, only two people end it.
    """

    public_id = public_id("hld")
    reference = models.CharField(_("asunto legal"), max_length=80)
    country = models.ForeignKey(Country, models.PROTECT, verbose_name=_("país"))
    reason = models.CharField(_("motivo"), max_length=200)
    state = models.CharField(_("situación"), max_length=20, choices=HoldState, default=HoldState.SET)
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("aplicado por")
    )
    set_at = models.DateTimeField(_("aplicado el"), db_default=Now())
    hold_until = models.DateField(_("vigente hasta"), null=True)
    ended_at = models.DateTimeField(_("vencido el"), null=True)
    release_reason = models.CharField(_("motivo de la retirada"), max_length=200, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name=_("retirada propuesta por")
    )
    requested_at = models.DateTimeField(_("retirada propuesta el"), null=True)
    approval = models.CharField(_("motivo de la aprobación"), max_length=200, blank=True)
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name=_("retirado por")
    )
    released_at = models.DateTimeField(_("retirado el"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("legal hold"), _("legal holds")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["country", "reference"], condition=~Q(state__in=OVER), name="legal_hold_once"
            ),
            models.CheckConstraint(condition=~Q(released_by=F("requested_by")), name="legal_hold_two_people"),
            models.CheckConstraint(
                condition=Q(state="SET", requested_by=None, released_by=None)
                | Q(state="RELEASE_REQUESTED", requested_by__isnull=False, released_by=None)
                | Q(state="RELEASED", requested_by__isnull=False, released_by__isnull=False)
                | Q(state="ENDED", hold_until__isnull=False, ended_at__isnull=False, released_by=None),
                name="legal_hold_steps",
            ),
            models.CheckConstraint(condition=~Q(reason="") & ~Q(reference=""), name="legal_hold_has_reason"),
        ]

    def __str__(self) -> str:
        return self.reference


class HoldScope(models.Model):
    """What a matter covers: one document, or a party's documents of a period and of kinds, also those to come.

    An end of the period that is empty is open; no kinds are all kinds.
    """

    hold = models.ForeignKey(LegalHold, models.PROTECT, related_name="scopes", verbose_name=_("legal hold"))
    document = models.ForeignKey(Document, models.PROTECT, null=True, related_name="+", verbose_name=_("documento"))
    party = models.ForeignKey(Party, models.PROTECT, null=True, related_name="+", verbose_name=_("titular"))
    first_date = models.DateField(_("emitidos desde"), null=True)
    last_date = models.DateField(_("emitidos hasta"), null=True)
    kinds = ArrayField(models.CharField(max_length=30), default=list, verbose_name=_("tipos"))
    added_at = models.DateTimeField(_("añadido el"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("parte cubierta"), _("partes cubiertas")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["hold", "document"], name="hold_scope_once"),
            models.CheckConstraint(
                condition=Q(document__isnull=False, party=None, first_date=None, last_date=None, kinds=[])
                | Q(document=None, party__isnull=False),
                name="hold_scope_document_or_party",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.hold_id} {self.document_id or self.party_id}"
