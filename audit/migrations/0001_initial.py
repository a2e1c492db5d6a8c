"""The tables of the audit log: events, and their details that can be erased."""

import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.text
import django.db.models.lookups
from django.db import migrations, models


class Migration(migrations.Migration):
    """Event and EventDetail."""

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Event",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField(db_default=models.Func(function="clock_timestamp"), editable=False)),
                (
                    "xid",
                    models.BigIntegerField(
                        db_default=django.db.models.functions.comparison.Cast(
                            django.db.models.functions.comparison.Cast(
                                models.Func(function="pg_current_xact_id"), models.TextField()
                            ),
                            models.BigIntegerField(),
                        ),
                        editable=False,
                    ),
                ),
                ("action", models.CharField(max_length=60)),
                ("object_type", models.CharField(max_length=60)),
                ("object_id", models.CharField(max_length=200)),
                ("actor_kind", models.CharField(max_length=20)),
                ("actor_id", models.CharField(blank=True, max_length=100)),
                ("role", models.CharField(blank=True, max_length=60)),
                ("key", models.CharField(blank=True, max_length=100)),
                ("service", models.CharField(blank=True, max_length=60)),
                ("channel", models.CharField(blank=True, max_length=20)),
                ("outcome", models.CharField(max_length=20)),
                ("code", models.CharField(blank=True, max_length=80)),
                ("request_id", models.CharField(blank=True, max_length=100)),
                ("count", models.IntegerField(db_default=1)),
                ("details_digest", models.BinaryField(max_length=32, null=True)),
            ],
            options={
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="EventDetail",
            fields=[
                (
                    "event",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="detail",
                        serialize=False,
                        to="audit.event",
                    ),
                ),
                ("salt", models.BinaryField(max_length=16)),
                ("details", models.JSONField()),
            ],
            options={
                "default_permissions": ("view",),
            },
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["object_id", "xid"], name="audit_event_object"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["actor_id", "id"], name="audit_event_actor"),
        ),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("action__regex", "^[a-z_]+[.][a-z_]+$"),
                    ("count__gte", 1),
                    models.Q(
                        ("details_digest__isnull", True),
                        django.db.models.lookups.Exact(django.db.models.functions.text.Length("details_digest"), 32),
                        _connector="OR",
                    ),
                ),
                name="audit_event_sound",
            ),
        ),
        migrations.AddConstraint(
            model_name="eventdetail",
            constraint=models.CheckConstraint(
                condition=models.Q(django.db.models.lookups.Exact(django.db.models.functions.text.Length("salt"), 16)),
                name="audit_eventdetail_salt_16",
            ),
        ),
    ]
