"""The tables of documents, as they stood at the base line; every migration before it is squashed into this one."""

import functools

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import documents.identifiers


class Migration(migrations.Migration):
    runs = "before"
    replaces = [
        ("documents", "0001_initial"),
        ("documents", "0002_guards"),
        ("documents", "0003_countries"),
        ("documents", "0004_link_sessions"),
        ("documents", "0005_party_locale_at"),
        ("documents", "0006_notices"),
        ("documents", "0007_list_indexes"),
        ("documents", "0008_closings"),
        ("documents", "0009_superseded_events"),
        ("documents", "0010_dismissals"),
        ("documents", "0011_keys_in_the_c_locale"),
        ("documents", "0012_documents_due_by_kind"),
        ("documents", "0013_queues"),
        ("documents", "0014_alert_values"),
        ("documents", "0015_tax_id_types"),
    ]

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Country",
            fields=[
                ("code", models.CharField(max_length=2, primary_key=True, serialize=False, verbose_name="código")),
                ("name", models.CharField(max_length=60, verbose_name="nombre")),
            ],
            options={
                "verbose_name": "país",
                "verbose_name_plural": "países",
                "ordering": ["code"],
                "permissions": [("see_country", "Ver los documentos de este país")],
            },
        ),
        migrations.CreateModel(
            name="DocumentKey",
            fields=[
                ("key", models.CharField(db_collation="C", max_length=200, primary_key=True, serialize=False)),
                ("fingerprint", models.CharField(max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name="Party",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "public_id",
                    models.CharField(
                        default=functools.partial(documents.identifiers.new, *(), prefix="pty"),
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                ("platform_id", models.CharField(max_length=64, unique=True, verbose_name="id de la plataforma")),
                ("legal_name", models.CharField(max_length=500, verbose_name="nombre legal")),
                ("tax_id", models.CharField(blank=True, max_length=40, verbose_name="identificación fiscal")),
                ("tax_id_type", models.CharField(blank=True, max_length=500, verbose_name="tipo de identificación")),
                ("email", models.EmailField(blank=True, max_length=254, verbose_name="correo")),
                ("locale", models.CharField(default="es", max_length=10, verbose_name="idioma")),
                ("contact_at", models.DateTimeField(null=True, verbose_name="contacto desde")),
                ("locale_at", models.DateTimeField(null=True, verbose_name="idioma desde")),
                ("first_seen_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "verbose_name": "titular",
                "verbose_name_plural": "titulares",
                "permissions": [("own_party", "Es este titular o actúa por él")],
            },
        ),
        migrations.CreateModel(
            name="Document",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("attempts", models.PositiveIntegerField(default=0, verbose_name="intentos")),
                ("lease", models.UUIDField(null=True)),
                ("lease_until_at", models.DateTimeField(null=True)),
                ("next_try_at", models.DateTimeField(null=True, verbose_name="siguiente intento")),
                (
                    "public_id",
                    models.CharField(
                        default=functools.partial(documents.identifiers.new, *(), prefix="doc"),
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("PAYMENT_RECEIPT", "Recibo de pago"),
                            ("ORDER_FINAL_STATEMENT", "Statement final"),
                            ("PAYOUT_STATEMENT", "Liquidación de pago"),
                            ("PAYOUT_REVERSAL_NOTICE", "Aviso de pago devuelto"),
                            ("CREDIT_NOTE", "Nota de crédito"),
                        ],
                        max_length=30,
                        verbose_name="tipo",
                    ),
                ),
                ("audience", models.CharField(max_length=20, verbose_name="destinatario")),
                (
                    "subject",
                    models.CharField(
                        help_text="payment:pay_1, order:ord_1, ...", max_length=140, verbose_name="asunto"
                    ),
                ),
                ("sequence", models.PositiveBigIntegerField(verbose_name="orden en la serie")),
                ("number", models.CharField(db_collation="C", max_length=40, unique=True, verbose_name="número")),
                ("currency", models.CharField(max_length=3, verbose_name="moneda")),
                ("total_minor", models.BigIntegerField(verbose_name="importe")),
                ("operation_date", models.DateField(verbose_name="fecha de operación")),
                ("issue_date", models.DateField(verbose_name="fecha de emisión")),
                ("issued_at", models.DateTimeField(verbose_name="emitido")),
                ("retain_until", models.DateField(verbose_name="conservar hasta")),
                (
                    "payout_status_at_issue",
                    models.CharField(
                        choices=[("PENDING", "Pendiente"), ("SENT", "Enviado")],
                        max_length=10,
                        null=True,
                        verbose_name="pago al emitir",
                    ),
                ),
                (
                    "verification_code",
                    models.CharField(max_length=24, unique=True, verbose_name="código de verificación"),
                ),
                ("content", models.TextField(help_text="canonical JSON (RFC 8785), frozen")),
                ("content_sha256", models.CharField(max_length=64, verbose_name="huella del contenido")),
                (
                    "flags",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40), default=list, size=None, verbose_name="avisos"
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("ISSUED", "Emitido, resguardando"),
                            ("LOCKED", "Resguardado"),
                            ("QUARANTINED", "En cuarentena"),
                        ],
                        default="ISSUED",
                        max_length=12,
                        verbose_name="estado",
                    ),
                ),
                (
                    "payout_status",
                    models.CharField(
                        choices=[("PENDING", "Pendiente"), ("SENT", "Enviado")],
                        max_length=10,
                        null=True,
                        verbose_name="pago",
                    ),
                ),
                ("cause", models.CharField(blank=True, max_length=40, verbose_name="causa")),
                ("template", models.CharField(blank=True, max_length=80, verbose_name="plantilla")),
                ("bundle_digest", models.CharField(blank=True, max_length=64)),
                ("engine", models.CharField(blank=True, max_length=200)),
                ("vault_key", models.CharField(blank=True, max_length=200)),
                ("vault_version", models.CharField(blank=True, max_length=200)),
                ("vault_mode", models.CharField(blank=True, max_length=20, verbose_name="modo de bloqueo")),
                ("file_sha256", models.CharField(blank=True, max_length=64, verbose_name="huella del archivo")),
                ("file_bytes", models.PositiveBigIntegerField(null=True, verbose_name="tamaño")),
                ("pages", models.PositiveIntegerField(null=True, verbose_name="páginas")),
                ("locked_at", models.DateTimeField(null=True, verbose_name="resguardado")),
                ("verified_at", models.DateTimeField(null=True, verbose_name="verificado")),
                ("quarantined_at", models.DateTimeField(null=True, verbose_name="en cuarentena desde")),
                (
                    "corrects",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="corrected_by",
                        to="documents.document",
                        verbose_name="corrige",
                    ),
                ),
                (
                    "country",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="documents.country",
                        verbose_name="país",
                    ),
                ),
                (
                    "settled_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="settled_documents",
                        to="documents.document",
                        verbose_name="pagado en",
                    ),
                ),
                (
                    "document_key",
                    models.OneToOneField(
                        db_column="document_key",
                        on_delete=django.db.models.deletion.PROTECT,
                        to="documents.documentkey",
                    ),
                ),
            ],
            options={
                "verbose_name": "documento",
                "verbose_name_plural": "documentos",
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("attempts", models.PositiveIntegerField(default=0, verbose_name="intentos")),
                ("lease", models.UUIDField(null=True)),
                ("lease_until_at", models.DateTimeField(null=True)),
                ("next_try_at", models.DateTimeField(null=True, verbose_name="siguiente intento")),
                (
                    "public_id",
                    models.CharField(
                        default=functools.partial(documents.identifiers.new, *(), prefix="dlv"),
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                (
                    "channel",
                    models.CharField(
                        choices=[("EMAIL", "correo con enlace"), ("DIGEST", "resumen semanal")],
                        max_length=10,
                        verbose_name="canal",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("QUEUED", "en cola"),
                            ("SENT", "enviado"),
                            ("BOUNCED", "rebotado"),
                            ("OPENED", "abierto"),
                            ("DOWNLOADED", "descargado"),
                            ("NOT_WANTED", "no procede"),
                        ],
                        default="QUEUED",
                        max_length=12,
                        verbose_name="estado",
                    ),
                ),
                (
                    "sequence",
                    models.PositiveIntegerField(
                        default=1, help_text="2 and more: sent again on request", verbose_name="envío"
                    ),
                ),
                ("message_id", models.CharField(max_length=120, unique=True)),
                (
                    "address_digest",
                    models.CharField(blank=True, help_text="keyed digest of the address used", max_length=64),
                ),
                ("cause", models.CharField(blank=True, max_length=40, verbose_name="causa")),
                (
                    "queued_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="en cola desde"
                    ),
                ),
                ("sent_at", models.DateTimeField(null=True, verbose_name="enviado")),
                ("opened_at", models.DateTimeField(null=True, verbose_name="abierto")),
                ("downloaded_at", models.DateTimeField(null=True, verbose_name="descargado")),
                (
                    "bundle",
                    models.ForeignKey(
                        help_text="the first delivery of the same mail",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="bundled",
                        to="documents.delivery",
                    ),
                ),
                (
                    "document",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deliveries",
                        to="documents.document",
                        verbose_name="documento",
                    ),
                ),
                (
                    "recipient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deliveries",
                        to="documents.party",
                        verbose_name="destinatario",
                    ),
                ),
            ],
            options={
                "verbose_name": "entrega",
                "verbose_name_plural": "entregas",
            },
        ),
        migrations.CreateModel(
            name="Event",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "public_id",
                    models.CharField(
                        default=functools.partial(documents.identifiers.new, *(), prefix="evt"),
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                ("event_id", models.CharField(blank=True, db_index=True, max_length=64, verbose_name="id del evento")),
                ("service", models.CharField(max_length=20, verbose_name="servicio")),
                ("type", models.CharField(blank=True, max_length=64, verbose_name="tipo")),
                ("country_code", models.CharField(blank=True, max_length=2, verbose_name="país")),
                ("issuer_slug", models.CharField(blank=True, max_length=64, verbose_name="emisor")),
                (
                    "subject",
                    models.CharField(
                        blank=True, help_text="payment:pay_1, order:ord_1, ...", max_length=140, verbose_name="asunto"
                    ),
                ),
                ("occurred_at", models.DateTimeField(null=True, verbose_name="ocurrido")),
                (
                    "received_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="recibido"),
                ),
                ("body", models.BinaryField(null=True)),
                ("body_sha256", models.CharField(max_length=64)),
                ("payload_sha256", models.CharField(blank=True, help_text="of the canonical payload", max_length=64)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("processed", "procesado"),
                            ("parked", "en espera"),
                            ("held", "retenido en revisión"),
                            ("ignored", "ignorado"),
                            ("refused", "rechazado"),
                        ],
                        max_length=10,
                        verbose_name="estado",
                    ),
                ),
                ("code", models.CharField(blank=True, max_length=40, verbose_name="código")),
                ("errors", models.JSONField(default=list, verbose_name="errores")),
                ("missing", models.JSONField(default=list, verbose_name="falta")),
                ("attempts", models.PositiveIntegerField(default=0, verbose_name="intentos")),
                ("next_try_at", models.DateTimeField(null=True, verbose_name="siguiente intento")),
                ("repeats", models.PositiveIntegerField(default=0, verbose_name="repeticiones")),
                (
                    "document_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(),
                        default=list,
                        help_text="documents that answer this event",
                        size=None,
                    ),
                ),
                (
                    "superseded_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="supersedes",
                        to="documents.event",
                        verbose_name="resuelto por",
                    ),
                ),
            ],
            options={
                "verbose_name": "evento",
                "verbose_name_plural": "eventos",
            },
        ),
        migrations.AddField(
            model_name="document",
            name="event",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="documents",
                to="documents.event",
                verbose_name="evento",
            ),
        ),
        migrations.CreateModel(
            name="Dismissal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[("DISMISSED", "cerrado sin emitir"), ("REOPENED", "vuelto a la lista")],
                        default="DISMISSED",
                        max_length=10,
                        verbose_name="situación",
                    ),
                ),
                ("code", models.CharField(max_length=40, verbose_name="causa")),
                ("reason", models.CharField(max_length=200, verbose_name="motivo")),
                (
                    "dismissed_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="cerrado el"
                    ),
                ),
                ("reopened_at", models.DateTimeField(null=True, verbose_name="vuelto a la lista el")),
                (
                    "dismissed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="cerrado por",
                    ),
                ),
                (
                    "document",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="dismissals",
                        to="documents.document",
                        verbose_name="documento que lo resuelve",
                    ),
                ),
                (
                    "event",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="dismissals",
                        to="documents.event",
                        to_field="public_id",
                        verbose_name="evento",
                    ),
                ),
            ],
            options={
                "verbose_name": "cierre sin emitir",
                "verbose_name_plural": "cierres sin emitir",
                "db_table": "documents_closing",
            },
        ),
        migrations.CreateModel(
            name="Discrepancy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "public_id",
                    models.CharField(
                        default=functools.partial(documents.identifiers.new, *(), prefix="dsc"),
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                ("code", models.CharField(max_length=40, verbose_name="código")),
                ("dedup_key", models.CharField(max_length=250)),
                ("facts", models.JSONField(default=dict, verbose_name="hechos")),
                (
                    "opened_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="abierta"),
                ),
                ("resolved_at", models.DateTimeField(null=True, verbose_name="resuelta")),
                ("resolution", models.CharField(blank=True, max_length=500, verbose_name="resolución")),
                (
                    "country",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="documents.country",
                        verbose_name="país",
                    ),
                ),
                (
                    "document",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="discrepancies",
                        to="documents.document",
                        verbose_name="documento",
                    ),
                ),
                (
                    "event",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="discrepancies",
                        to="documents.event",
                        verbose_name="evento",
                    ),
                ),
            ],
            options={
                "verbose_name": "discrepancia",
                "verbose_name_plural": "discrepancias",
            },
        ),
        migrations.CreateModel(
            name="Issuer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("slug", models.SlugField(max_length=64, unique=True, verbose_name="identificador")),
                ("code", models.CharField(max_length=5, unique=True, verbose_name="código de serie")),
                ("legal_name", models.CharField(max_length=500, verbose_name="razón social")),
                ("tax_id", models.CharField(max_length=40, verbose_name="identificación fiscal")),
                ("address", models.CharField(max_length=500, verbose_name="domicilio")),
                ("logo", models.BinaryField(null=True, verbose_name="logotipo PNG")),
                ("added_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "country",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="documents.country", verbose_name="país"
                    ),
                ),
            ],
            options={
                "verbose_name": "emisor",
                "verbose_name_plural": "emisores",
                "ordering": ["slug"],
            },
        ),
        migrations.AddField(
            model_name="document",
            name="issuer",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, to="documents.issuer", verbose_name="emisor"
            ),
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("attempts", models.PositiveIntegerField(default=0, verbose_name="intentos")),
                ("lease", models.UUIDField(null=True)),
                ("lease_until_at", models.DateTimeField(null=True)),
                ("next_try_at", models.DateTimeField(null=True, verbose_name="siguiente intento")),
                (
                    "public_id",
                    models.CharField(
                        default=functools.partial(documents.identifiers.new, *(), prefix="ntc"),
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                (
                    "address",
                    models.EmailField(
                        blank=True, help_text="where the mail goes; empty once it has gone", max_length=254
                    ),
                ),
                (
                    "locale",
                    models.CharField(
                        help_text="the party's language before the change", max_length=10, verbose_name="idioma"
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("QUEUED", "en cola"),
                            ("SENT", "enviado"),
                            ("BOUNCED", "rebotado"),
                            ("OPENED", "abierto"),
                            ("DOWNLOADED", "descargado"),
                            ("NOT_WANTED", "no procede"),
                        ],
                        default="QUEUED",
                        max_length=12,
                        verbose_name="estado",
                    ),
                ),
                ("message_id", models.CharField(max_length=120, unique=True)),
                ("cause", models.CharField(blank=True, max_length=40, verbose_name="causa")),
                (
                    "queued_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="en cola desde"
                    ),
                ),
                ("sent_at", models.DateTimeField(null=True, verbose_name="enviado")),
                (
                    "event",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notice",
                        to="documents.event",
                        verbose_name="evento",
                    ),
                ),
                (
                    "party",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notices",
                        to="documents.party",
                        verbose_name="titular",
                    ),
                ),
            ],
            options={
                "verbose_name": "aviso de cambio",
                "verbose_name_plural": "avisos de cambio",
            },
        ),
        migrations.CreateModel(
            name="Link",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "public_id",
                    models.CharField(
                        default=functools.partial(documents.identifiers.new, *(), prefix="lnk"),
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                ("generation", models.PositiveIntegerField(default=1)),
                ("token_sha256", models.CharField(max_length=64, unique=True)),
                (
                    "knows",
                    models.CharField(
                        choices=[("nothing", "nada"), ("last4", "últimos 4 del documento")],
                        default="nothing",
                        max_length=10,
                        verbose_name="pregunta",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="creado"),
                ),
                ("expires_at", models.DateTimeField(verbose_name="caduca")),
                ("revoked_at", models.DateTimeField(null=True, verbose_name="anulado")),
                ("revoked_reason", models.CharField(blank=True, max_length=200, verbose_name="motivo")),
                ("seen_at", models.DateTimeField(null=True, verbose_name="visto")),
                ("opened_at", models.DateTimeField(null=True, verbose_name="abierto")),
                ("downloads", models.PositiveIntegerField(default=0, verbose_name="descargas")),
                ("downloads_max", models.PositiveIntegerField(default=5, verbose_name="límite")),
                ("wrong_answers", models.PositiveIntegerField(default=0, verbose_name="fallos")),
                ("locked_until_at", models.DateTimeField(null=True, verbose_name="bloqueado hasta")),
                (
                    "counted",
                    models.JSONField(
                        default=dict, help_text="session -> epoch seconds of its last counted download, for ten minutes"
                    ),
                ),
                (
                    "delivery",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="links",
                        to="documents.delivery",
                        verbose_name="entrega",
                    ),
                ),
                (
                    "document",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="links",
                        to="documents.document",
                        verbose_name="documento",
                    ),
                ),
                (
                    "recipient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="links",
                        to="documents.party",
                        verbose_name="destinatario",
                    ),
                ),
            ],
            options={
                "verbose_name": "enlace seguro",
                "verbose_name_plural": "enlaces seguros",
            },
        ),
        migrations.AddField(
            model_name="document",
            name="owner",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                to="documents.party",
                verbose_name="titular",
            ),
        ),
        migrations.CreateModel(
            name="Series",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=30, verbose_name="tipo")),
                ("year", models.PositiveSmallIntegerField(verbose_name="año")),
                ("code", models.CharField(max_length=20, unique=True, verbose_name="código")),
                ("first", models.PositiveBigIntegerField(default=1, verbose_name="primero")),
                ("last", models.PositiveBigIntegerField(null=True, verbose_name="último autorizado")),
                ("next", models.PositiveBigIntegerField(default=1, verbose_name="siguiente")),
                ("valid_from", models.DateField(null=True, verbose_name="válida desde")),
                ("valid_until", models.DateField(null=True, verbose_name="válida hasta")),
                (
                    "authority_reference",
                    models.CharField(blank=True, max_length=100, verbose_name="referencia de la autoridad"),
                ),
                (
                    "issuer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="documents.issuer", verbose_name="emisor"
                    ),
                ),
            ],
            options={
                "verbose_name": "serie",
                "verbose_name_plural": "series",
            },
        ),
        migrations.AddField(
            model_name="document",
            name="series",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, to="documents.series", verbose_name="serie"
            ),
        ),
        migrations.CreateModel(
            name="Wait",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("awaited", models.CharField(db_index=True, max_length=140)),
                (
                    "event",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="waits", to="documents.event"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Alert",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("attempts", models.PositiveIntegerField(default=0, verbose_name="intentos")),
                ("lease", models.UUIDField(null=True)),
                ("lease_until_at", models.DateTimeField(null=True)),
                ("next_try_at", models.DateTimeField(null=True, verbose_name="siguiente intento")),
                (
                    "public_id",
                    models.CharField(
                        default=functools.partial(documents.identifiers.new, *(), prefix="alr"),
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                ("dedup_key", models.CharField(max_length=200)),
                ("code", models.CharField(max_length=60, verbose_name="código")),
                (
                    "severity",
                    models.CharField(choices=[("P1", "P1"), ("P2", "P2")], max_length=2, verbose_name="gravedad"),
                ),
                ("values", models.JSONField(default=dict, verbose_name="valores")),
                ("object_id", models.CharField(blank=True, max_length=140, verbose_name="objeto")),
                ("runbook", models.CharField(max_length=200, verbose_name="guía")),
                ("count", models.PositiveIntegerField(default=1, verbose_name="veces")),
                (
                    "opened_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="abierta"),
                ),
                (
                    "last_seen_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="última vez"
                    ),
                ),
                ("acknowledged_at", models.DateTimeField(null=True, verbose_name="reconocida")),
                ("resolved_at", models.DateTimeField(null=True, verbose_name="resuelta")),
                ("sent_at", models.DateTimeField(null=True, verbose_name="avisada")),
                ("resolution_sent_at", models.DateTimeField(null=True, verbose_name="cierre avisado")),
                (
                    "acknowledged_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="reconocida por",
                    ),
                ),
            ],
            options={
                "verbose_name": "alerta",
                "verbose_name_plural": "alertas",
                "indexes": [
                    models.Index(
                        condition=models.Q(("next_try_at__isnull", False)), fields=["next_try_at"], name="alert_due"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("resolved_at", None)), fields=("dedup_key",), name="alert_once"
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(("status", "parked")), fields=["next_try_at"], name="event_parked_due"
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["status", "-id"], name="event_by_status"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["subject"], name="event_by_subject"),
        ),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "refused"), _negated=True), fields=("event_id",), name="event_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "refused")), fields=("body_sha256",), name="refused_body_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="dismissal",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "DISMISSED")), fields=("event",), name="dismissal_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="dismissal",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("reopened_at", None), ("state", "DISMISSED")),
                    models.Q(("reopened_at__isnull", False), ("state", "REOPENED")),
                    _connector="OR",
                ),
                name="dismissal_reopened_at",
            ),
        ),
        migrations.AddConstraint(
            model_name="dismissal",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True), name="dismissal_has_reason"
            ),
        ),
        migrations.AddConstraint(
            model_name="discrepancy",
            constraint=models.UniqueConstraint(
                condition=models.Q(("resolved_at", None)), fields=("dedup_key",), name="discrepancy_once"
            ),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(condition=models.Q(("status", "QUEUED")), fields=["next_try_at"], name="notice_due"),
        ),
        migrations.AddConstraint(
            model_name="notice",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "QUEUED"), models.Q(("address", ""), _negated=True)),
                    models.Q(models.Q(("status", "QUEUED"), _negated=True), ("address", "")),
                    _connector="OR",
                ),
                name="notice_forgets_address",
            ),
        ),
        migrations.AddConstraint(
            model_name="link",
            constraint=models.CheckConstraint(
                condition=models.Q(("downloads__lte", models.F("downloads_max"))), name="downloads_within_limit"
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(condition=models.Q(("status", "QUEUED")), fields=["next_try_at"], name="delivery_due"),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.UniqueConstraint(
                fields=("document", "recipient", "channel", "sequence"), name="delivery_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="series",
            constraint=models.UniqueConstraint(fields=("issuer", "kind", "year"), name="series_once"),
        ),
        migrations.AddConstraint(
            model_name="series",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("next__gte", models.F("first")),
                    models.Q(
                        ("last", None),
                        (
                            "next__lte",
                            django.db.models.expressions.CombinedExpression(models.F("last"), "+", models.Value(1)),
                        ),
                        _connector="OR",
                    ),
                ),
                name="series_within_range",
            ),
        ),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(fields=["owner", "-id"], name="document_by_owner"),
        ),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(fields=["country", "-id"], name="document_by_country"),
        ),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(fields=["subject"], name="document_by_subject"),
        ),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(
                condition=models.Q(("status", "ISSUED")), fields=["kind", "next_try_at", "id"], name="document_due"
            ),
        ),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(fields=["status", "-id"], name="document_by_status"),
        ),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(fields=["kind", "-id"], name="document_by_kind"),
        ),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(fields=["issue_date", "id"], name="document_by_day"),
        ),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(fields=["issued_at", "id"], name="document_by_moment"),
        ),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(
                condition=models.Q(("payout_status", "PENDING")), fields=["-id"], name="document_unpaid"
            ),
        ),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(fields=["file_sha256"], name="document_by_sha256", opclasses=["varchar_pattern_ops"]),
        ),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(
                fields=["content_sha256"], name="document_by_content", opclasses=["varchar_pattern_ops"]
            ),
        ),
        migrations.AddConstraint(
            model_name="document",
            constraint=models.UniqueConstraint(fields=("series", "sequence"), name="number_once"),
        ),
        migrations.AddConstraint(
            model_name="document",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "LOCKED"), _negated=True),
                    models.Q(
                        ("locked_at__isnull", False),
                        models.Q(("file_sha256", ""), _negated=True),
                        models.Q(("vault_version", ""), _negated=True),
                        ("file_bytes__gt", 0),
                    ),
                    _connector="OR",
                ),
                name="locked_has_bytes",
            ),
        ),
        migrations.AddConstraint(
            model_name="document",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("kind", "ORDER_FINAL_STATEMENT"),
                        ("payout_status__isnull", False),
                        ("payout_status_at_issue__isnull", False),
                    ),
                    models.Q(
                        models.Q(("kind", "ORDER_FINAL_STATEMENT"), _negated=True),
                        ("payout_status", None),
                        ("payout_status_at_issue", None),
                    ),
                    _connector="OR",
                ),
                name="payout_status_on_statements",
            ),
        ),
        migrations.AddConstraint(
            model_name="wait",
            constraint=models.UniqueConstraint(fields=("event", "awaited"), name="wait_once"),
        ),
    ]
