"""A person dismisses an event; closing is what a payout does when it adds up.

The columns, the state and the guards change their words, the rows stay, and so does the table's name.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from audit import guard

TABLE = "documents_closing"


def _state_sql(*, old: str, new: str) -> list[str]:
    """Return the SQL that says a state in another word: nothing happened to the events, so no audit event is due."""
    return [
        f"ALTER TABLE {TABLE} DISABLE TRIGGER USER",
        f"UPDATE {TABLE} SET state = '{new}' WHERE state = '{old}'",  # noqa: S608 - only constants of this file
        f"ALTER TABLE {TABLE} ENABLE TRIGGER USER",
    ]


def _stays_sql(*, word: str, noun: str) -> list[str]:
    """Return the SQL of the function that keeps what was said when an event was taken off the list; `word` names its columns."""
    columns = ("event_id", "code", "reason", "document_id", f"{word}_by_id", f"{word}_at")
    old, new = (", ".join(f"{row}.{column}" for column in columns) for row in ("OLD", "NEW"))
    function = f"""
CREATE OR REPLACE FUNCTION documents_closing_stays() RETURNS trigger LANGUAGE plpgsql AS $stays$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'a {noun} is never deleted' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.state <> '{word.upper()}' OR ({old}) IS DISTINCT FROM ({new}) THEN
        RAISE EXCEPTION 'the {noun} of % stays as it is', OLD.event_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$stays$
"""
    return [function, *guard.path_sql(function="documents_closing_stays")]


class Migration(migrations.Migration):
    dependencies = [
        ("documents", "0009_superseded_events"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # The table keeps its name: with it said first, renaming the model changes nothing in the database.
        migrations.AlterModelTable(name="closing", table=TABLE),
        migrations.RemoveConstraint(model_name="closing", name="closing_once"),
        migrations.RemoveConstraint(model_name="closing", name="closing_reopened_at"),
        migrations.RemoveConstraint(model_name="closing", name="closing_has_reason"),
        migrations.RunSQL(
            sql=_state_sql(old="CLOSED", new="DISMISSED"), reverse_sql=_state_sql(old="DISMISSED", new="CLOSED")
        ),
        migrations.RenameModel(old_name="Closing", new_name="Dismissal"),
        migrations.RenameField(model_name="dismissal", old_name="closed_by", new_name="dismissed_by"),
        migrations.RenameField(model_name="dismissal", old_name="closed_at", new_name="dismissed_at"),
        migrations.AlterField(
            model_name="dismissal",
            name="state",
            field=models.CharField(
                choices=[("DISMISSED", "cerrado sin emitir"), ("REOPENED", "vuelto a la lista")],
                default="DISMISSED",
                max_length=10,
                verbose_name="situación",
            ),
        ),
        migrations.AlterField(
            model_name="dismissal",
            name="event",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="dismissals",
                to="documents.event",
                to_field="public_id",
                verbose_name="evento",
            ),
        ),
        migrations.AlterField(
            model_name="dismissal",
            name="document",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="dismissals",
                to="documents.document",
                verbose_name="documento que lo resuelve",
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
        guard.remap_operation(
            table=TABLE,
            column="state",
            object_id="event_id",
            actions={"DISMISSED": "event.dismissed", "REOPENED": "event.reopened"},
            before={"CLOSED": "event.closed", "REOPENED": "event.reopened"},
        ),
        migrations.RunSQL(
            sql=_stays_sql(word="dismissed", noun="dismissal"), reverse_sql=_stays_sql(word="closed", noun="closing")
        ),
    ]
