"""In whose name documents are issued and to whom: countries, issuers with their series, parties."""

import functools
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now, Upper
from django.utils.translation import gettext_lazy as _

from documents import identifiers

# Documents that any issuer may issue, however little it has issued before: a backfill of 2,000 orders, with a
# statement for the driver and one for the partner, is nothing that anybody has to look at.
MINUTE_MAX_LEAST, DAY_MAX_LEAST = 600, 10_000


def public_id(prefix: str) -> "models.CharField[str, str]":
    """Return the column of an id that is shown outside, such as `doc_0123`."""
    return models.CharField(
        max_length=40, unique=True, editable=False, default=functools.partial(identifiers.new, prefix=prefix)
    )


class Country(models.Model):
    """A country where documents are issued. The scope of staff is guardian's `see_country` on a row of this table."""

    code = models.CharField(_("código"), max_length=2, primary_key=True)
    name = models.CharField(_("nombre"), max_length=60)

    class Meta:
        verbose_name, verbose_name_plural = _("país"), _("países")
        ordering: ClassVar = ["code"]
        permissions: ClassVar = [("see_country", "Ver los documentos de este país")]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


class Issuer(models.Model):
    """A company in whose name documents are issued: data, added by the command `add_issuer`."""

    slug = models.SlugField(_("identificador"), max_length=64, unique=True)
    code = models.CharField(_("código de serie"), max_length=5, unique=True)
    country = models.ForeignKey(Country, models.PROTECT, verbose_name=_("país"))
    legal_name = models.CharField(_("razón social"), max_length=500)
    tax_id = models.CharField(_("identificación fiscal"), max_length=40)
    address = models.CharField(_("domicilio"), max_length=500)
    support_email = models.EmailField(_("correo de soporte"), max_length=254, db_default="", blank=True)
    logo = models.BinaryField(_("logotipo PNG"), null=True)
    added_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("emisor"), _("emisores")
        ordering: ClassVar = ["slug"]

    def __str__(self) -> str:
        return self.legal_name


class FormerIssuer(models.Model):
    """What an issuer was until a moment: what it issued before that prints these facts, whenever it is drawn again."""

    issuer = models.ForeignKey(Issuer, models.PROTECT, related_name="former", verbose_name=_("emisor"))
    until_at = models.DateTimeField(_("hasta"))
    legal_name = models.CharField(_("razón social"), max_length=500)
    address = models.CharField(_("domicilio"), max_length=500)
    logo = models.BinaryField(_("logotipo PNG"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("datos anteriores del emisor"), _("datos anteriores de los emisores")
        ordering: ClassVar = ["issuer", "until_at", "pk"]

    def __str__(self) -> str:
        return self.legal_name


class IssuingValve(models.Model):
    """An issuer's safety valve: how much it may issue, what it has issued, and whether a person has to let it go on.

    `emission.valve` counts here, and makes the row. Events up to `turn` may be issued, all where it is empty.
    """

    issuer = models.OneToOneField(
        Issuer, models.PROTECT, primary_key=True, related_name="valve", verbose_name=_("emisor")
    )
    # What the issuer's own past allows, and what somebody has set instead.
    minute_max = models.PositiveIntegerField(default=MINUTE_MAX_LEAST)
    day_max = models.PositiveIntegerField(default=DAY_MAX_LEAST)
    limits_at = models.DateTimeField(null=True)
    minute_max_set = models.PositiveIntegerField(null=True)
    day_max_set = models.PositiveIntegerField(null=True)
    window_ends_at = models.DateTimeField(null=True)
    window_count = models.PositiveBigIntegerField(default=0)
    counted_date = models.DateField(null=True)
    day_count = models.PositiveBigIntegerField(default=0)
    paused_at = models.DateTimeField(null=True)
    paused_by = models.CharField(max_length=6, blank=True, help_text="the limit: minute, day")
    resumed_at = models.DateTimeField(null=True)
    turn = models.BigIntegerField(null=True)
    turned_at = models.DateTimeField(null=True)
    # Events up to this one were there when somebody let them be issued: they are not counted.
    uncounted_until_event = models.BigIntegerField(default=0)

    class Meta:
        verbose_name, verbose_name_plural = _("válvula de emisión"), _("válvulas de emisión")
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(paused_at=None) | Q(turn=0), name="paused_valve_lets_nothing_by"),
            models.CheckConstraint(
                condition=(Q(minute_max_set=None) | Q(minute_max_set__gt=0))
                & (Q(day_max_set=None) | Q(day_max_set__gt=0)),
                name="valve_limits_above_zero",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.issuer_id}"


class Series(models.Model):
    """A legal sequence of an issuer, kind and year; in mid-year another `part` may follow, and gives the numbers then.

    `next` is taken by `numbering.take` and never given back.
    """

    issuer = models.ForeignKey(Issuer, models.PROTECT, verbose_name=_("emisor"))
    kind = models.CharField(_("tipo"), max_length=30)
    year = models.PositiveSmallIntegerField(_("año"))
    part = models.PositiveSmallIntegerField(_("parte"), db_default=1)
    code = models.CharField(_("código"), max_length=20, unique=True)
    first = models.PositiveBigIntegerField(_("primero"), default=1)
    last = models.PositiveBigIntegerField(_("último autorizado"), null=True)
    next = models.PositiveBigIntegerField(_("siguiente"), default=1)
    valid_from = models.DateField(_("válida desde"), null=True)
    valid_until = models.DateField(_("válida hasta"), null=True)
    authority_reference = models.CharField(_("referencia de la autoridad"), max_length=100, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("serie"), _("series")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["issuer", "kind", "year", "part"], name="series_once_a_part"),
            models.CheckConstraint(
                condition=Q(next__gte=F("first")) & (Q(last=None) | Q(next__lte=F("last") + 1)),
                name="series_within_range",
            ),
        ]

    def __str__(self) -> str:
        return self.code


class Party(models.Model):
    """A person or company, known by the platform's id. Ownership is guardian's `own_party` on a row of this table.

    Name and tax id are those of the event that named it last, by `occurred_at`. Contact data (email, locale) comes from
    the first event that carries it, by `occurred_at`, and then only from CONTACT_CHANGED.
    """

    public_id = public_id("pty")
    platform_id = models.CharField(_("id de la plataforma"), max_length=64, unique=True)
    legal_name = models.CharField(_("nombre legal"), max_length=500)
    tax_id = models.CharField(_("identificación fiscal"), max_length=40, blank=True)
    # The platform may state a type that no country lists: it is printed as it came, and is as long as any text.
    tax_id_type = models.CharField(_("tipo de identificación"), max_length=500, blank=True)
    email = models.EmailField(_("correo"), max_length=254, blank=True)
    locale = models.CharField(_("idioma"), max_length=10, default="es")
    named_at = models.DateTimeField(_("nombre desde"), null=True)
    # Of the events that carry the address and the language in passing; the other two are of CONTACT_CHANGED.
    email_stated_at = models.DateTimeField(null=True)
    locale_stated_at = models.DateTimeField(null=True)
    contact_at = models.DateTimeField(_("contacto desde"), null=True)
    locale_at = models.DateTimeField(_("idioma desde"), null=True)
    first_seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("titular"), _("titulares")
        permissions: ClassVar = [("own_party", "Es este titular o actúa por él")]
        indexes: ClassVar = [models.Index(Upper("email"), name="party_by_email")]  # as `iexact` compares

    def __str__(self) -> str:
        return self.platform_id
