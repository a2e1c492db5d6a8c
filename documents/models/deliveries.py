"""What is sent: deliveries of documents, notices of changes, links."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from documents.models.documents import Document
from documents.models.events import Event
from documents.models.leased import Leased
from documents.models.parties import Party, public_id


class Channel(models.TextChoices):
    """How a recipient is notified."""

    EMAIL = "EMAIL", _("correo con enlace")
    DIGEST = "DIGEST", _("resumen semanal")


class DeliveryStatus(models.TextChoices):
    """What became of a delivery or notice."""

    QUEUED = "QUEUED", _("en cola")
    SENT = "SENT", _("enviado")
    BOUNCED = "BOUNCED", _("rebotado")
    OPENED = "OPENED", _("abierto")
    DOWNLOADED = "DOWNLOADED", _("descargado")
    NOT_WANTED = "NOT_WANTED", _("no procede")


class RevokeReason(models.TextChoices):
    """Why a link was revoked, where it was not by a person in that person's words."""

    WRONG_ANSWERS = "wrong_answers", _("demasiadas respuestas erróneas")
    WRONG_PERSON = "wrong_person", _("lo recibió otra persona")  # after which no new link is sent by itself
    RESENT = "resent", _("se envió otro")
    CONTACT_CHANGED = "contact_changed", _("cambió la dirección")
    BY_OWNER = "by_owner", _("lo anuló su titular")


class Delivery(Leased):
    """Sends one document to one recipient through one channel. The Message-ID is fixed before the first try."""

    public_id = public_id("dlv")
    document = models.ForeignKey(Document, models.PROTECT, related_name="deliveries", verbose_name=_("documento"))
    recipient = models.ForeignKey(Party, models.PROTECT, related_name="deliveries", verbose_name=_("destinatario"))
    channel = models.CharField(_("canal"), max_length=10, choices=Channel)
    status = models.CharField(_("estado"), max_length=12, choices=DeliveryStatus, default=DeliveryStatus.QUEUED)
    sequence = models.PositiveIntegerField(_("envío"), default=1, help_text="2 and more: sent again on request")
    # Only the first delivery of a bundle is leased; the others go where it goes.
    bundle = models.ForeignKey(
        "self", models.PROTECT, null=True, related_name="bundled", help_text="the first delivery of the same mail"
    )
    message_id = models.CharField(max_length=120, unique=True)
    address_digest = models.CharField(max_length=64, blank=True, help_text="keyed digest of the address used")
    cause = models.CharField(_("causa"), max_length=40, blank=True)
    queued_at = models.DateTimeField(_("en cola desde"), db_default=Now())
    sent_at = models.DateTimeField(_("enviado"), null=True)
    opened_at = models.DateTimeField(_("abierto"), null=True)
    downloaded_at = models.DateTimeField(_("descargado"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("entrega"), _("entregas")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["document", "recipient", "channel", "sequence"], name="delivery_once")
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_try_at"], condition=Q(status="QUEUED"), name="delivery_due"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.public_id}"


class Notice(Leased):
    """A mail to a party without a document: a change of its address, or the code that opens a link.

    Of a change there is one per event and party, to the address it had before; without event and link the party has
    changed it itself, over the API. The address is stored only while the mail waits: a constraint requires it to be
    empty once the notice has ended.
    """

    public_id = public_id("ntc")
    event = models.ForeignKey(Event, models.PROTECT, null=True, related_name="notices", verbose_name=_("evento"))
    link = models.ForeignKey("Link", models.PROTECT, null=True, related_name="codes", verbose_name=_("enlace seguro"))
    party = models.ForeignKey(Party, models.PROTECT, related_name="notices", verbose_name=_("titular"))
    address = models.EmailField(max_length=254, blank=True, help_text="where the mail goes; empty once it has gone")
    locale = models.CharField(_("idioma"), max_length=10, help_text="the party's language before the change")
    status = models.CharField(_("estado"), max_length=12, choices=DeliveryStatus, default=DeliveryStatus.QUEUED)
    message_id = models.CharField(max_length=120, unique=True)
    cause = models.CharField(_("causa"), max_length=40, blank=True)
    queued_at = models.DateTimeField(_("en cola desde"), db_default=Now())
    sent_at = models.DateTimeField(_("enviado"), null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("aviso de cambio"), _("avisos de cambio")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=(Q(status="QUEUED") & ~Q(address="")) | (~Q(status="QUEUED") & Q(address="")),
                name="notice_forgets_address",
            ),
            models.UniqueConstraint(fields=["event", "party"], name="notice_once"),
            models.CheckConstraint(condition=Q(event=None) | Q(link=None), name="notice_of_one_cause"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_try_at"], condition=Q(status="QUEUED"), name="notice_due"),
        ]

    def __str__(self) -> str:
        return self.public_id


class Link(models.Model):
    """A signed, expiring, revocable link of one recipient. Only the hash of its token is stored.

    One with a `reader` is shared: its recipient, the owner, has made it for whoever is named there.

    It leads to one document, or (`weekly`) to those of the mail of which its delivery is the first: `document` is then
    the first one's.
    """

    public_id = public_id("lnk")
    document = models.ForeignKey(Document, models.PROTECT, related_name="links", verbose_name=_("documento"))
    recipient = models.ForeignKey(Party, models.PROTECT, related_name="links", verbose_name=_("destinatario"))
    delivery = models.ForeignKey(Delivery, models.PROTECT, null=True, related_name="links", verbose_name=_("entrega"))
    weekly = models.BooleanField(_("de una semana"), db_default=False)
    generation = models.PositiveIntegerField(default=1)
    token_sha256 = models.CharField(max_length=64, unique=True)
    knows = models.CharField(
        _("pregunta"),
        max_length=10,
        default="nothing",
        choices=[
            ("nothing", _("nada")),
            ("last4", _("últimos 4 del documento")),
            ("code", _("código por correo")),
            ("shared", _("código que da el titular")),
        ],
    )
    reader = models.CharField(_("compartido con"), max_length=60, blank=True, db_default="")
    form_sha256 = models.CharField(
        max_length=64,
        null=True,
        blank=True,
        unique=True,
        help_text="of the form that shared it: sent twice, it shares once",
    )
    created_at = models.DateTimeField(_("creado"), db_default=Now())
    expires_at = models.DateTimeField(_("caduca"))
    revoked_at = models.DateTimeField(_("anulado"), null=True)
    revoked_reason = models.CharField(_("motivo"), max_length=200, blank=True)
    seen_at = models.DateTimeField(_("visto"), null=True)
    opened_at = models.DateTimeField(_("abierto"), null=True)
    code_used_at = models.DateTimeField(null=True)
    downloads = models.PositiveIntegerField(_("descargas"), default=0)
    downloads_max = models.PositiveIntegerField(_("límite"), default=5)
    wrong_answers = models.PositiveIntegerField(_("fallos"), default=0)
    locked_until_at = models.DateTimeField(_("bloqueado hasta"), null=True)
    counted = models.JSONField(
        default=dict, help_text="session:document -> epoch seconds of its last counted download, for ten minutes"
    )

    class Meta:
        verbose_name, verbose_name_plural = _("enlace seguro"), _("enlaces seguros")
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(downloads__lte=F("downloads_max")), name="downloads_within_limit"),
            models.CheckConstraint(
                condition=(Q(knows="shared") & ~Q(reader="")) | (~Q(knows="shared") & Q(reader="")),
                name="shared_link_has_reader",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id


class WrongAnswers(models.Model):
    """How many wrong answers to questions of links were given for a party, or from an address or network, in a while.

    Who is meant stands in the key as a number or a keyed digest.
    """

    key = models.CharField(max_length=60, unique=True)
    count = models.PositiveIntegerField()
    ends_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name, verbose_name_plural = _("respuestas erróneas"), _("respuestas erróneas")

    def __str__(self) -> str:
        return self.key
