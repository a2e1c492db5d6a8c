"""The documents and their permanent business keys."""

from collections.abc import Collection
from typing import Any, ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from documents.models import reads
from documents.models.events import Event
from documents.models.leased import Leased
from documents.models.parties import Country, Issuer, Party, Series, public_id


class DocumentKey(models.Model):
    """The claim on a permanent business key: who inserts the row issues, everyone else finds the document."""

    key = models.CharField(primary_key=True, max_length=200, db_collation="C")  # as `Document.number`
    fingerprint = models.CharField(max_length=64)

    def __str__(self) -> str:
        return self.key


class Kind(models.TextChoices):
    """The kinds of document; their rules are rows of `documents.catalog`."""

    PAYMENT_RECEIPT = "PAYMENT_RECEIPT", _("Recibo de pago")
    ORDER_FINAL_STATEMENT = "ORDER_FINAL_STATEMENT", _("Statement final")
    PAYOUT_STATEMENT = "PAYOUT_STATEMENT", _("Liquidación de pago")
    PAYOUT_REVERSAL_NOTICE = "PAYOUT_REVERSAL_NOTICE", _("Aviso de pago revertido")
    CREDIT_NOTE = "CREDIT_NOTE", _("Nota de crédito")


class Status(models.TextChoices):
    """The states of a document. ISSUED: numbered and frozen; LOCKED: its bytes are in the vault and checked.

    DISPOSED: its retention is over and the bytes are gone.
    """

    ISSUED = "ISSUED", _("Emitido, resguardando")
    LOCKED = "LOCKED", _("Resguardado")
    QUARANTINED = "QUARANTINED", _("En cuarentena")
    DISPOSED = "DISPOSED", _("Eliminado tras su plazo")


class PayoutStatus(models.TextChoices):
    """Whether the money of a statement has been sent."""

    PENDING = "PENDING", _("Pendiente")
    SENT = "SENT", _("Enviado")


class RefundStatus(models.TextChoices):
    """What is known of the money that a refund's credit note gives back."""

    FAILED = "FAILED", _("Devolución fallida")


class Document(Leased):
    """A numbered record about one business fact, written once by `emission.issuing.issue`.

    Only its lease and the columns below "the line" move afterwards, each state with its audit event; a trigger
    refuses any other change.
    """

    public_id = public_id("doc")
    document_key = models.OneToOneField(DocumentKey, models.PROTECT, db_column="document_key")
    kind = models.CharField(_("tipo"), max_length=30, choices=Kind)
    audience = models.CharField(_("destinatario"), max_length=20)
    # No index of its own where one of those below begins with the column.
    country = models.ForeignKey(Country, models.PROTECT, verbose_name=_("país"), db_index=False)
    issuer = models.ForeignKey(Issuer, models.PROTECT, verbose_name=_("emisor"))
    owner = models.ForeignKey(Party, models.PROTECT, verbose_name=_("titular"), db_index=False)
    event = models.ForeignKey(Event, models.PROTECT, verbose_name=_("evento"), related_name="documents")
    subject = models.CharField(_("asunto"), max_length=140, help_text="payment:pay_1, order:ord_1, ...")
    corrects = models.ForeignKey(
        "self", models.PROTECT, null=True, related_name="corrected_by", verbose_name=_("corrige")
    )
    series = models.ForeignKey(Series, models.PROTECT, verbose_name=_("serie"), db_index=False)
    sequence = models.PositiveBigIntegerField(_("orden en la serie"))
    # Searched by its beginning: only in the C locale can PostgreSQL tell from its statistics how many rows share one.
    number = models.CharField(_("número"), max_length=40, unique=True, db_collation="C")
    currency = models.CharField(_("moneda"), max_length=3)
    total_minor = models.BigIntegerField(_("importe"))
    operation_date = models.DateField(_("fecha de operación"))
    issue_date = models.DateField(_("fecha de emisión"))
    issued_at = models.DateTimeField(_("emitido"))
    retain_until = models.DateField(_("conservar hasta"))
    payout_status_at_issue = models.CharField(_("pago al emitir"), max_length=10, choices=PayoutStatus, null=True)  # noqa: DJ001 - null: the kind has none
    verification_code = models.CharField(_("código de verificación"), max_length=24, unique=True)
    content = models.TextField(help_text="canonical JSON (RFC 8785), frozen")
    content_sha256 = models.CharField(_("huella del contenido"), max_length=64)
    flags = ArrayField(models.CharField(max_length=40), default=list, verbose_name=_("avisos"))

    # --- the line: these move ---
    status = models.CharField(_("estado"), max_length=12, choices=Status, default=Status.ISSUED)
    payout_status = models.CharField(_("pago"), max_length=10, choices=PayoutStatus, null=True)  # noqa: DJ001 - null: the kind has none
    settled_by = models.ForeignKey(
        "self", models.PROTECT, null=True, related_name="settled_documents", verbose_name=_("pagado en")
    )
    # Of a refund that failed, until another replaces it; empty for any other.
    refund_status = models.CharField(_("devolución"), max_length=10, choices=RefundStatus, blank=True, db_default="")
    cause = models.CharField(_("causa"), max_length=40, blank=True)
    template = models.CharField(_("plantilla"), max_length=80, blank=True)
    bundle_digest = models.CharField(max_length=64, blank=True)
    engine = models.CharField(max_length=200, blank=True)
    vault_url = models.CharField(_("bóveda"), max_length=400, blank=True, db_default="", help_text="its address")
    vault_key = models.CharField(max_length=200, blank=True)
    vault_version = models.CharField(max_length=200, blank=True)
    vault_mode = models.CharField(_("modo de bloqueo"), max_length=20, blank=True)
    file_sha256 = models.CharField(_("huella del archivo"), max_length=64, blank=True)
    file_bytes = models.PositiveBigIntegerField(_("tamaño"), null=True)
    pages = models.PositiveIntegerField(_("páginas"), null=True)
    locked_at = models.DateTimeField(_("resguardado"), null=True)
    verified_at = models.DateTimeField(_("verificado"), null=True)
    quarantined_at = models.DateTimeField(_("en cuarentena desde"), null=True)
    disposed_at = models.DateTimeField(_("eliminado"), null=True)
    # When the vault was last told that a matter holds the document; empty for one that it knows of no matter of.
    hold_told_at = models.DateTimeField(null=True)
    # When what the API shows of it changed last, a correction included: a trigger writes it.
    updated_at = models.DateTimeField(_("cambiado"), db_default=Now(), editable=False)

    class Meta:
        verbose_name, verbose_name_plural = _("documento"), _("documentos")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["series", "sequence"], name="number_once"),
            models.CheckConstraint(
                condition=~Q(status="LOCKED")
                | (
                    Q(locked_at__isnull=False)
                    & ~Q(file_sha256="")
                    & ~Q(vault_url="")
                    & ~Q(vault_version="")
                    & Q(file_bytes__gt=0)
                ),
                name="locked_has_bytes",
            ),
            models.CheckConstraint(
                condition=Q(
                    kind="ORDER_FINAL_STATEMENT", payout_status__isnull=False, payout_status_at_issue__isnull=False
                )
                | (~Q(kind="ORDER_FINAL_STATEMENT") & Q(payout_status=None, payout_status_at_issue=None)),
                name="payout_status_on_statements",
            ),
            models.CheckConstraint(
                condition=Q(kind="CREDIT_NOTE") | Q(refund_status=""), name="refund_status_on_credit_notes"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["owner", "-id"], name="document_by_owner"),
            models.Index(fields=["country", "-id"], name="document_by_country"),
            # How a party was named last, by a document of its own, on some day.
            models.Index(
                fields=["owner", "country", "-operation_date"],
                condition=Q(kind__in=("PAYMENT_RECEIPT", "ORDER_FINAL_STATEMENT")),
                name="document_naming_owner",
            ),
            models.Index(fields=["subject"], name="document_by_subject"),
            # The few statements of a payout that replaces another: which one, only their content says.
            models.Index(
                fields=["owner"],
                condition=Q(kind="PAYOUT_STATEMENT", content__contains='"replaces":'),
                name="document_replacing",
            ),
            models.Index(fields=["kind", "next_try_at", "id"], condition=Q(status="ISSUED"), name="document_due"),
            # What the rounds of custody read next.
            models.Index(fields=["verified_at", "id"], condition=Q(status="LOCKED"), name="document_by_verified"),
            models.Index(fields=["status", "-id"], name="document_by_status"),
            models.Index(fields=["kind", "-id"], name="document_by_kind"),
            # A list of a span of days walks these in its own order, however long ago the span is.
            models.Index(fields=["issue_date", "id"], name="document_by_day"),
            models.Index(fields=["issued_at", "id"], name="document_by_moment"),
            models.Index(fields=["updated_at", "id"], name="document_by_update"),
            models.Index(fields=["-id"], condition=Q(payout_status="PENDING"), name="document_unpaid"),
            models.Index(fields=["-id"], condition=Q(refund_status="FAILED"), name="document_refund_failed"),
            models.Index(fields=["hold_told_at"], condition=Q(hold_told_at__isnull=False), name="document_hold_told"),
            # Found by how they begin, in a database of any collation.
            models.Index(fields=["file_sha256"], opclasses=["varchar_pattern_ops"], name="document_by_sha256"),
            models.Index(fields=["content_sha256"], opclasses=["varchar_pattern_ops"], name="document_by_content"),
        ]

    def __str__(self) -> str:
        return self.number

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any], **options: Any) -> Self:
        """Make the object of a row that was read, and note that it was: see `documents.access.guard`."""
        row = super().from_db(db, field_names, values, **options)
        reads.note(columns=row.__dict__)
        return row
