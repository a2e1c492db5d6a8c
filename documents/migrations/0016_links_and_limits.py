"""Links to a week and codes that open links, wrong answers counted by party and place, an issuer's support address."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    runs = "before"
    beside = {
        "notice.link": "notices are few: the index of an empty column is made in a moment",
        "notice_of_one_cause": "the former code leaves the new column empty",
    }
    dependencies = [
        ("documents", "0015_notices_of_parties"),
    ]

    operations = [
        migrations.CreateModel(
            name="WrongAnswers",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=60, unique=True)),
                ("count", models.PositiveIntegerField()),
                ("ends_at", models.DateTimeField(db_index=True)),
            ],
            options={
                "verbose_name": "respuestas erróneas",
                "verbose_name_plural": "respuestas erróneas",
            },
        ),
        migrations.AddField(
            model_name="issuer",
            name="support_email",
            field=models.EmailField(blank=True, db_default="", max_length=254, verbose_name="correo de soporte"),
        ),
        migrations.AddField(
            model_name="link",
            name="code_used_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="link",
            name="weekly",
            field=models.BooleanField(db_default=False, verbose_name="de una semana"),
        ),
        migrations.AddField(
            model_name="notice",
            name="link",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="codes",
                to="documents.link",
                verbose_name="enlace seguro",
            ),
        ),
        migrations.AlterField(
            model_name="link",
            name="counted",
            field=models.JSONField(
                default=dict,
                help_text="session:document -> epoch seconds of its last counted download, for ten minutes",
            ),
        ),
        migrations.AlterField(
            model_name="link",
            name="knows",
            field=models.CharField(
                choices=[("nothing", "nada"), ("last4", "últimos 4 del documento"), ("code", "código por correo")],
                default="nothing",
                max_length=10,
                verbose_name="pregunta",
            ),
        ),
        migrations.AddConstraint(
            model_name="notice",
            constraint=models.CheckConstraint(
                condition=models.Q(("event", None), ("link", None), _connector="OR"), name="notice_of_one_cause"
            ),
        ),
    ]
