"""Runs migrations beside a service that goes on: those that come before the code of this version, or all of them.

Each migration of ours says by `runs` whether it runs before or after the code: see docs/operations/upgrade.md.
"""

from collections.abc import Callable
from typing import Any

from django.core.management import CommandError
from django.core.management.sql import emit_post_migrate_signal, emit_pre_migrate_signal
from django.db import connections
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from audit import enforcement, patience
from documents.operations import heartbeats

BEFORE, AFTER = "before", "after"
OURS = ("audit", "documents", "payouts")
OWNER = "owner"
# What a migration was applied at is the clock of another host: who began so shortly before it is not judged.
_FORMER = """
SELECT string_agg(DISTINCT format('%%s on %%s', role, host), ', ') FROM documents_heartbeat
 WHERE seen_at >= clock_timestamp() - make_interval(secs => %s)
   AND (%s OR began_at < (SELECT max(applied) FROM django_migrations WHERE app = ANY(%s)) - interval '60 s')
"""


def phase(*, migration: Migration) -> str:
    """Return whether a migration runs before or after the code of its version.

    Those of others say nothing: before, as the code that comes with them needs them.

    :raises CommandError: one of ours says nothing
    """
    said = getattr(migration, "runs", "" if migration.app_label in OURS else BEFORE)
    if said not in {BEFORE, AFTER}:
        raise CommandError(f"{migration} does not say whether it runs before or after the code: runs = {BEFORE!r}")
    return str(said)


def planned(*, before_only: bool) -> list[Migration]:
    """Return what has to run, in its order; `before_only` leaves out what runs after the code.

    :raises CommandError: the database is too old for this version, or for going on beside it, or newer than it
    """
    executor = MigrationExecutor(connections[OWNER])
    _refuse_newer(loader=executor.loader)
    for squashed in executor.loader.replacements.values():
        applied = [name in executor.loader.applied_migrations for name in squashed.replaces]
        if any(applied) and not all(applied):  # Django would go on behind them
            raise CommandError(
                "the database is older than the base line of 2026-11-27 (docs/04-CHANGELOG.md): provision it with the"
                " last version before that first, then with this one"
            )
    graph = executor.loader.graph
    plan = [migration for migration, _ in executor.migration_plan(graph.leaf_nodes())]
    late = {(each.app_label, each.name) for each in plan if phase(migration=each) == AFTER}
    if not before_only:
        return plan
    for migration in plan:
        key = (migration.app_label, migration.name)
        for needed in sorted(late.intersection(node.key for node in graph.node_map[key].parents) - {key}):
            if key not in late:
                raise CommandError(
                    f"{migration} needs {'.'.join(needed)}, which runs after the code of an earlier version: upgrade to"
                    " that one first, whole, or stop the service and provision without --before"
                )
    return [migration for migration in plan if (migration.app_label, migration.name) not in late]


def _refuse_newer(*, loader: MigrationLoader) -> None:
    """Refuse a database of a later version: its guards and rights would be put back to what this one knows."""
    known = {*loader.disk_migrations, *(key for each in loader.disk_migrations.values() for key in each.replaces)}
    for app, name in sorted(loader.applied_migrations.keys() - known):
        if app in OURS:
            raise CommandError(
                f"the database is newer than this version, which does not know {app}.{name}: provision with that"
                " version, or start this one without"
            )


def refuse_former(*, plan: list[Migration]) -> None:
    """Refuse to take away what living processes of the former version need: those that began before the first half.

    :raises CommandError: there are some; it names them
    """
    ours = [migration for migration in plan if migration.app_label in OURS]
    if all(phase(migration=migration) == BEFORE for migration in ours):
        return
    with connections[OWNER].cursor() as cursor:
        cursor.execute("SELECT to_regclass('documents_heartbeat')")
        if cursor.fetchone()[0] is None:
            return
        whole = any(phase(migration=migration) == BEFORE for migration in ours)
        cursor.execute(_FORMER, [heartbeats.SILENT_S, whole, list(OURS)])
        former = cursor.fetchone()[0]
    if former:
        raise CommandError(
            f"processes of the former version are alive ({former}): start this one after `provision --before`,"
            " or stop the service, and type this again 30 s later"
        )


def run(*, plan: list[Migration], verbosity: int, tell: Callable[[str], object]) -> None:
    """Run a plan; what does not get a lock within moments is begun again, and holds nobody up meanwhile.

    :raises TableBusyError: a table was never free
    """
    with connections[OWNER].cursor() as cursor:
        tables = {table for migration in plan for table in getattr(migration, "unguards", ())}
        enforcement.drop_guards(cursor=cursor, tables=tables)
    emit_pre_migrate_signal(
        verbosity=verbosity, interactive=False, db=OWNER, plan=[(migration, False) for migration in plan]
    )

    def work() -> None:
        executor = MigrationExecutor(connections[OWNER], progress)
        applied = executor.loader.applied_migrations
        left = [(each, False) for each in plan if (each.app_label, each.name) not in applied]
        executor.migrate(executor.loader.graph.leaf_nodes(), plan=left)

    def progress(*given: Any) -> None:
        if given[0] == "apply_start":
            _wait(briefly=given[1].atomic)
            if verbosity and not given[1].atomic:
                tell(f"  {given[1]} waits until every transaction that is open now has ended, and holds nobody up")
        elif given[0] == "apply_success" and verbosity:
            tell(f"  {given[1]}")

    patience.persist(work, using=OWNER)
    _wait(briefly=True)
    emit_post_migrate_signal(verbosity=verbosity, interactive=False, db=OWNER)


def _wait(*, briefly: bool) -> None:
    """Let what holds locks wait for none; an index that is made concurrently holds none, and may wait."""
    patience.wait_briefly(using=OWNER)
    if not briefly:
        with connections[OWNER].cursor() as cursor:
            cursor.execute("SET lock_timeout = 0")
