"""The tree that seals the log: places, full tiles and signed heads, which stay as the log does."""

import django.db.models.functions.text
import django.db.models.lookups
from django.db import migrations, models

from audit import guard


class Migration(migrations.Migration):
    runs = "before"
    beside = {
        "RunSQL": "triggers of tables that are new",
    }
    dependencies = [
        ("audit", "0002_recorded_stays"),
    ]

    operations = [
        migrations.CreateModel(
            name="TreePlace",
            fields=[
                ("index", models.BigIntegerField(primary_key=True, serialize=False)),
                ("event_id", models.BigIntegerField(unique=True)),
                ("leaf_hash", models.BinaryField(max_length=32)),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="TreeTile",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "level", "index", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("level", models.SmallIntegerField()),
                ("index", models.BigIntegerField()),
                ("hashes", models.BinaryField(max_length=8192)),
                ("subtree", models.BinaryField(max_length=32)),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="TreeHead",
            fields=[
                ("size", models.BigIntegerField(primary_key=True, serialize=False)),
                ("root", models.BinaryField(max_length=32)),
                ("note", models.TextField()),
                ("at", models.DateTimeField(db_default=models.Func(function="clock_timestamp"), editable=False)),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.AddConstraint(
            model_name="treeplace",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("index__gte", 0),
                    django.db.models.lookups.Exact(django.db.models.functions.text.Length("leaf_hash"), 32),
                ),
                name="audit_treeplace_sound",
            ),
        ),
        migrations.AddConstraint(
            model_name="treetile",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    django.db.models.lookups.Exact(django.db.models.functions.text.Length("hashes"), 8192),
                    django.db.models.lookups.Exact(django.db.models.functions.text.Length("subtree"), 32),
                ),
                name="audit_treetile_sound",
            ),
        ),
        migrations.AddConstraint(
            model_name="treehead",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("size__gte", 1), django.db.models.lookups.Exact(django.db.models.functions.text.Length("root"), 32)
                ),
                name="audit_treehead_sound",
            ),
        ),
        *(
            operation
            for table in ("audit_treeplace", "audit_treetile", "audit_treehead")
            for operation in guard.refused_operations(
                table=table, rows="UPDATE OR DELETE", statements="UPDATE OR DELETE OR TRUNCATE"
            )
        ),
    ]
