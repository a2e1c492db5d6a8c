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

from config import migrating

# What a new database begins with: no code was there before it.
BEGIN = {"0001_baseline", "0002_recorded_stays", "0002_frozen_rows"}
HARMLESS = (migrations.AlterModelOptions, migrations.AlterModelManagers, migrations.RemoveIndex, AddIndexConcurrently)
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


def _real(operation: Operation) -> list[Operation]:
    """Return what an operation does in the database."""
    if isinstance(operation, migrations.SeparateDatabaseAndState):
        return list(operation.database_operations)
    return [operation]


def _harms(operation: Operation, app: str, state: ProjectState, after: ProjectState) -> bool:
    if isinstance(operation, migrations.AddField):
        field = operation.field
        return not (field.many_to_many or field.null or field.has_db_default())
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
        or type(old) is not type(new)
        or (not longer and old.db_type(connection) != new.db_type(connection))
    )


def _named(operation: Operation) -> str:
    if isinstance(operation, migrations.AddConstraint):
        return str(operation.constraint.name)
    if isinstance(operation, migrations.AddIndex):
        return str(operation.index.name)
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
        migrations.CreateModel(name="Fresh", fields=[("id", models.BigAutoField(primary_key=True))]),
    ],
    ids=str,
)
def test_what_only_adds_needs_none(operation: Operation) -> None:
    migration = type("Migration", (migrations.Migration,), {"operations": [operation]})("9999_harmless", "documents")
    assert list(harms(migration=migration, state=STATE.clone())) == []


def test_a_migration_that_does_not_say_when_it_runs_is_refused() -> None:
    with pytest.raises(CommandError, match="runs = 'before'"):
        migrating.phase(migration=migrations.Migration("9999_silent", "documents"))
    assert migrating.phase(migration=migrations.Migration("9999_silent", "guardian")) == migrating.BEFORE
