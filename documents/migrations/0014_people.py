"""People: until when they may, for whom they act, what was shown to them, and what they were invited to."""

import functools

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import documents.identifiers
from audit.entries import USER

# Whoever could sign in before is a person from now on.
PEOPLE = """
INSERT INTO documents_person (user_id, public_id, locale)
SELECT id, %s || id, 'es' FROM auth_user WHERE username NOT LIKE 'api:%%'
"""


class Migration(migrations.Migration):
    runs = "before"
    beside = {
        "RunSQL": "rows of a table that is new",
    }
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("documents", "0013_api_doors"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Person",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="person",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="usuario",
                    ),
                ),
                ("public_id", models.CharField(editable=False, max_length=40, unique=True)),
                ("locale", models.CharField(default="es", max_length=10, verbose_name="idioma")),
                (
                    "added_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="alta"),
                ),
                ("access_until_at", models.DateTimeField(null=True, verbose_name="acceso hasta")),
                ("suspended_at", models.DateTimeField(null=True, verbose_name="suspendida desde")),
            ],
            options={
                "verbose_name": "persona",
                "verbose_name_plural": "personas",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Grant",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "public_id",
                    models.CharField(
                        default=functools.partial(documents.identifiers.new, *(), prefix="grt"),
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                (
                    "granted_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="concedido el"
                    ),
                ),
                ("expires_at", models.DateTimeField(verbose_name="caduca el")),
                ("withdrawn_at", models.DateTimeField(null=True, verbose_name="retirado el")),
                (
                    "document",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="grants",
                        to="documents.document",
                        verbose_name="documento",
                    ),
                ),
                (
                    "party",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="grants",
                        to="documents.party",
                        verbose_name="titular",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="grants",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="usuario",
                    ),
                ),
            ],
            options={
                "verbose_name": "permiso",
                "verbose_name_plural": "permisos",
                "default_permissions": (),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("document__isnull", False), ("party", None)),
                            models.Q(("document", None), ("party__isnull", False)),
                            _connector="OR",
                        ),
                        name="grant_of_one_thing",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("expires_at__gt", models.F("granted_at"))), name="grant_ends_later"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("withdrawn_at", None)),
                        fields=("user", "party", "document"),
                        name="grant_once",
                        nulls_distinct=False,
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("attempts", models.PositiveIntegerField(default=0, verbose_name="intentos")),
                ("lease", models.UUIDField(null=True)),
                ("lease_until_at", models.DateTimeField(null=True)),
                ("next_try_at", models.DateTimeField(null=True, verbose_name="siguiente intento")),
                (
                    "public_id",
                    models.CharField(
                        default=functools.partial(documents.identifiers.new, *(), prefix="inv"),
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                ("token_sha256", models.CharField(max_length=64, unique=True)),
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
                ("expires_at", models.DateTimeField(verbose_name="caduca el")),
                ("ended_at", models.DateTimeField(null=True, verbose_name="usada o sustituida el")),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="invitations",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="usuario",
                    ),
                ),
            ],
            options={
                "verbose_name": "invitación",
                "verbose_name_plural": "invitaciones",
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        condition=models.Q(("status", "QUEUED")), fields=["next_try_at"], name="invitation_due"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at", None)), fields=("user",), name="invitation_one_open"
                    )
                ],
            },
        ),
        migrations.RunSQL(sql=[(PEOPLE, [USER])], reverse_sql=migrations.RunSQL.noop),
    ]
