"""The tables of the audit log, as they stood at the base line; every migration before it is squashed into this one."""

import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.text
import django.db.models.lookups
from django.db import migrations, models

from audit import guard

# A logical restore begins to count transactions anew, and so may a promoted standby: an xid means something only
# together with the cluster and its timeline. Both functions name the schema of everything, so that they need no search
# path of their own and PostgreSQL writes them into the statement: called, each would cost as much as a row.
INCARNATION = """
CREATE FUNCTION audit_incarnation() RETURNS text LANGUAGE sql AS $incarnation$
SELECT pg_catalog.concat((pg_catalog.pg_control_system()).system_identifier, '-',
       pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8))
$incarnation$
"""
# A random UUID has 122 random bits; two of them, hashed and cut, are 16 bytes that nobody can guess.
BLIND = """
CREATE FUNCTION audit_blind() RETURNS bytea LANGUAGE sql AS $blind$
SELECT pg_catalog.substr(pg_catalog.sha256(pg_catalog.uuid_send(pg_catalog.gen_random_uuid())
       OPERATOR(pg_catalog.||) pg_catalog.uuid_send(pg_catalog.gen_random_uuid())), 1, 16)
$blind$
"""


class Migration(migrations.Migration):
    runs = "before"
    replaces = [
        ("audit", "0001_initial"),
        ("audit", "0002_append_only"),
        ("audit", "0003_append_by_function"),
        ("audit", "0004_guard_marks"),
        ("audit", "0005_leaf_v2"),
    ]

    initial = True

    dependencies = []

    operations = [
        migrations.RunSQL(
            sql=[
                INCARNATION,
                BLIND,
                f"REVOKE ALL ON FUNCTION {guard.INCARNATION}, {guard.BLIND} FROM PUBLIC",
            ],
            reverse_sql=[f"DROP FUNCTION {guard.INCARNATION}", f"DROP FUNCTION {guard.BLIND}"],
        ),
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
                (
                    "incarnation",
                    models.CharField(
                        db_default=models.Func(function="audit_incarnation"), editable=False, max_length=40
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
                ("facts", models.JSONField(db_default=models.Value({}, models.JSONField()))),
                ("details_digest", models.BinaryField(max_length=32, null=True)),
                ("blind", models.BinaryField(db_default=models.Func(function="audit_blind"), max_length=16)),
            ],
            options={
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="GuardMark",
            fields=[
                ("name", models.CharField(max_length=140, primary_key=True, serialize=False)),
                ("mark", models.CharField(max_length=64)),
            ],
            options={
                "default_permissions": (),
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
