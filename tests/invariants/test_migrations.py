"""Each migration says whether it runs before or after the code, and what runs before, the former code survives."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.postgres.operations import AddIndexConcurrently
from django.core.management import CommandError
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models.expressions import BaseExpression
from django.db.models.functions import Now

from audit import patience
from config import migrating

# What a new database begins with: no code was there before it.
BEGIN = {"0001_baseline", "0002_recorded_stays", "0002_frozen_rows"}
HARMLESS = (migrations.AlterModelOptions, migrations.AlterModelManagers, patience.AddIndexOnce)
# What a migration that runs after the code may do: the code of its own version has gone on without for a while.
TAKES_AWAY = (
    *(migrations.RemoveField, migrations.DeleteModel, migrations.RemoveConstraint, migrations.RemoveIndex),
    *(migrations.AddConstraint, migrations.AlterModelOptions, migrations.RunSQL, migrations.RunPython),
)
LOADER = MigrationLoader(None)
OURS = [
    LOADER.disk_migrations[key]
    for key in sorted(LOADER.disk_migrations)
    if key[0] in migrating.OURS and key[1] not in BEGIN
]


def harms(*, migration: migrations.Migration, state: ProjectState) -> Iterator[str]:
    """Yield, for each operation that the former code may not survive or has to wait long for, what needs a reason."""
    made: set[str] = set()
    for operation in migration.operations:
        after = state.clone()
        operation.state_forwards(migration.app_label, after)
        for real in _real(operation):
            if isinstance(real, migrations.CreateModel):
                made.add(real.name_lower)
            elif getattr(real, "model_name_lower", "") not in made and _harms(real, migration.app_label, state, after):
                yield _named(real)
        state = after


def adds(*, migration: migrations.Migration) -> Iterator[str]:
    """Yield each operation after the code that its own version may not do without."""
    for operation in migration.operations:
        for real in _real(operation):
            if not isinstance(real, (*TAKES_AWAY, patience.AddIndexOnce)):
                yield _named(real)


def _real(operation: Operation) -> list[Operation]:
    """Return what an operation does in the database."""
    if isinstance(operation, migrations.SeparateDatabaseAndState):
        return list(operation.database_operations)
    return [operation]


def _harms(operation: Operation, app: str, state: ProjectState, after: ProjectState) -> bool:
    if isinstance(operation, migrations.AddField):
        field: Any = operation.field
        return not field.many_to_many and (
            not (field.null or field.has_db_default())
            or field.unique  # an index of a table that nobody may write meanwhile
            or field.db_index
            or _differs(default=field.db_default)  # each row is written anew
        )
    if isinstance(operation, migrations.AlterField):
        old, new = (
            each.apps.get_model(app, operation.model_name)._meta.get_field(operation.name) for each in (state, after)
        )
        return _tightened(old=old, new=new)
    return not isinstance(operation, HARMLESS)


def _tightened(*, old: Any, new: Any) -> bool:
    """Tell whether a column takes less than before: more choices, other words and room for more are no harm."""
    longer = (new.max_length or 0) > (old.max_length or 0)
    return (
        old.column != new.column
        or (old.null and not new.null)
        or (new.unique and not old.unique)
        or (new.db_index and not old.db_index)
        or (old.has_db_default() and not new.has_db_default())  # who knew of it left the column out
        or getattr(old, "db_collation", None) != getattr(new, "db_collation", None)
        or (new.is_relation and getattr(new, "db_constraint", False) and _table_of(old) != _table_of(new))
        or type(old) is not type(new)
        or (not longer and old.db_type(connection) != new.db_type(connection))
    )


def _differs(*, default: Any) -> bool:
    """Tell whether a default of the database is another one in each row, so that PostgreSQL writes them all."""
    return isinstance(default, BaseExpression) and not isinstance(default, models.Value | Now)


def _table_of(field: Any) -> str:
    """Return the table that a column's values are held to."""
    return str(field.related_model._meta.db_table) if field.is_relation and field.db_constraint else ""


def _named(operation: Operation) -> str:
    if isinstance(operation, migrations.AddConstraint):
        return str(operation.constraint.name)
    if isinstance(operation, migrations.AddIndex):
        return str(operation.index.name)
    if isinstance(operation, migrations.RemoveIndex):
        return str(operation.name)
    if isinstance(operation, migrations.AlterField | migrations.AddField | migrations.RemoveField):
        return f"{operation.model_name}.{operation.name}"
    return str(getattr(operation, "name", type(operation).__name__))


@pytest.mark.parametrize("migration", OURS, ids=str)
def test_what_runs_before_the_code_the_former_code_survives_or_a_reason_says_why(
    migration: migrations.Migration,
) -> None:
    reasons = getattr(migration, "beside", {})
    assert all(reasons.values())
    if migrating.phase(migration=migration) == migrating.AFTER:
        assert not reasons
        assert list(adds(migration=migration)) == []
        return
    state = LOADER.project_state((migration.app_label, migration.name), at_end=False)
    assert set(reasons) == set(harms(migration=migration, state=state))


STATE = LOADER.project_state(("documents", "0025_issuer_history"), at_end=True)
# TABLE: what a migration that runs before the code might do -> the name under which it has to say why it may.
HARMFUL: dict[Operation, str] = {
    migrations.AddField(
        model_name="issuer", name="tax", field=models.CharField(max_length=9, default="")
    ): "issuer.tax",
    migrations.AlterField(model_name="issuer", name="address", field=models.CharField(max_length=9)): "issuer.address",
    migrations.AlterField(model_name="issuer", name="logo", field=models.BinaryField()): "issuer.logo",
    migrations.RemoveField(model_name="issuer", name="logo"): "issuer.logo",
    migrations.RenameField(model_name="issuer", old_name="logo", new_name="mark"): "logo",
    migrations.DeleteModel(name="FormerIssuer"): "FormerIssuer",
    migrations.AddIndex(model_name="issuer", index=models.Index(fields=["address"], name="issuer_at")): "issuer_at",
    migrations.RunSQL("SELECT 1"): "RunSQL",
    migrations.AddField(
        model_name="issuer", name="tax", field=models.CharField(max_length=9, null=True, unique=True)
    ): "issuer.tax",
    migrations.AddField(
        model_name="event", name="issuer", field=models.ForeignKey("documents.Issuer", models.PROTECT, null=True)
    ): "event.issuer",
    migrations.AddField(
        model_name="issuer",
        name="seen_at",
        field=models.DateTimeField(db_default=models.Func(function="clock_timestamp")),
    ): "issuer.seen_at",
    migrations.AlterField(
        model_name="issuer", name="support_email", field=models.EmailField(max_length=254)
    ): "issuer.support_email",
    migrations.AlterField(
        model_name="event", name="issuer_slug", field=models.CharField(max_length=900, db_index=True)
    ): "event.issuer_slug",
    migrations.AlterField(
        model_name="series", name="issuer", field=models.ForeignKey("documents.Country", models.PROTECT)
    ): "series.issuer",
    migrations.RemoveIndex(model_name="document", name="document_by_update"): "document_by_update",
    AddIndexConcurrently(model_name="issuer", index=models.Index(fields=["address"], name="issuer_at")): "issuer_at",
}


@pytest.mark.parametrize(("operation", "name"), HARMFUL.items(), ids=str)
def test_what_the_former_code_may_not_survive_asks_for_a_reason(operation: Operation, name: str) -> None:
    migration = type("Migration", (migrations.Migration,), {"operations": [operation]})("9999_harmful", "documents")
    assert list(harms(migration=migration, state=STATE.clone())) == [name]


@pytest.mark.parametrize(
    "operation",
    [
        migrations.AddField(model_name="issuer", name="tax", field=models.CharField(max_length=9, null=True)),
        migrations.AddField(model_name="issuer", name="tax", field=models.CharField(max_length=9, db_default="")),
        migrations.AlterField(model_name="issuer", name="address", field=models.CharField(max_length=900, null=True)),
        migrations.AddField(model_name="issuer", name="seen_at", field=models.DateTimeField(db_default=Now())),
        migrations.CreateModel(name="Fresh", fields=[("id", models.BigAutoField(primary_key=True))]),
        patience.AddIndexOnce(model_name="issuer", index=models.Index(fields=["address"], name="issuer_at")),
    ],
    ids=str,
)
def test_what_only_adds_needs_none(operation: Operation) -> None:
    migration = type("Migration", (migrations.Migration,), {"operations": [operation]})("9999_harmless", "documents")
    assert list(harms(migration=migration, state=STATE.clone())) == []


@pytest.mark.parametrize(
    ("operation", "added"),
    [
        (migrations.AddField(model_name="issuer", name="tax", field=models.TextField(null=True)), ["issuer.tax"]),
        (migrations.CreateModel(name="Fresh", fields=[("id", models.BigAutoField(primary_key=True))]), ["Fresh"]),
        (migrations.RenameField(model_name="issuer", old_name="logo", new_name="mark"), ["logo"]),
        (migrations.RemoveField(model_name="issuer", name="logo"), []),
    ],
    ids=str,
)
def test_what_the_code_of_a_version_needs_never_comes_after_it(operation: Operation, added: list[str]) -> None:
    migration = type("Migration", (migrations.Migration,), {"operations": [operation]})("9999_late", "documents")
    assert list(adds(migration=migration)) == added


def test_a_migration_that_does_not_say_when_it_runs_is_refused() -> None:
    with pytest.raises(CommandError, match="runs = 'before'"):
        migrating.phase(migration=migrations.Migration("9999_silent", "documents"))
    assert migrating.phase(migration=migrations.Migration("9999_silent", "guardian")) == migrating.BEFORE
