"""Brings the database to this version, and gives the runtime role exactly what it needs."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser
from django.db import NotSupportedError, connections, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from psycopg import sql

from audit import declared, enforcement, guard, inspection, patience, rollout, signing
from config import checks, migrating
from documents.access import actors, roles
from documents.countries import pack
from documents.custody import erasure, restore
from documents.events import waiting
from documents.models import Event
from documents.sentences import writing
from documents.vault import probes

# Any number that nobody else uses: two deployments that provision at once take turns.
LOCK = 7_262_026_020_708
# Every way in which a role of PostgreSQL can step around a grant or a trigger.
TOO_MUCH = "rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls"


class Command(BaseCommand):
    """Runs as the owner role; the web and worker processes never do."""

    help = "Create or update the database: roles where possible, migrations, grants, role groups. Safe to repeat."
    requires_system_checks = ()  # the checks may look at tables that this command is about to make

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the half that goes before the code."""
        parser.add_argument(
            "--before",
            action="store_true",
            help="only what goes before the code of this version, beside the processes of the one before",
        )
        parser.add_argument(
            "--retire",
            default="",
            metavar="ROLE",
            help="a former runtime role, from which every right is taken, so that it can be dropped",
        )

    def handle(self, **options: Any) -> None:
        """Leave a database that the runtime role can use and cannot weaken.

        :raises CommandError: when PostgreSQL is too old, the two roles are one, the runtime role is missing and cannot
            be created, or it still may do more than it should, commits wait for a standby that is not there, or the
            role to retire is one that is needed; the message says what mends it.
        """
        runtime = str(settings.DATABASES["default"]["USER"])
        if runtime == settings.DATABASES["owner"]["USER"]:
            raise CommandError(
                "DATABASE_OWNER_URL: name the role that owns the tables; it must not be that of DATABASE_URL"
            )
        try:
            too_old = checks.too_old(using="owner")
        except NotSupportedError as error:  # older than Django itself talks to
            raise CommandError(f"PostgreSQL {checks.POSTGRESQL_MIN} or newer is needed: {error}") from error
        if too_old:
            raise CommandError(too_old)
        with _alone(tell=self.stderr.write) as cursor:
            _refuse_strangers(cursor=cursor)
            _require_standby(cursor=cursor)
            _require_unused(cursor=cursor, role=options["retire"])
            _ensure_role(cursor=cursor, role=runtime, password=str(settings.DATABASES["default"]["PASSWORD"]))
            for power in _powers(cursor=cursor, role=runtime):
                raise CommandError(f"the runtime role {runtime} {power}")
            plan = migrating.planned(before_only=options["before"])
            migrating.refuse_former(plan=plan)
            with _noted(cursor=cursor):
                migrating.run(plan=plan, verbosity=options["verbosity"], tell=self.stdout.write)
                _secure(cursor=cursor, role=runtime, retired=options["retire"])
            for name, fault in inspection.weaknesses().items():
                raise CommandError(f"the log is not safe: {name} {fault}")
        roles.ensure_groups()
        if not options["before"]:
            _retry_held()
        self._prove()
        if options["verbosity"]:
            after = "; after the code: provision once more, without --before" if options["before"] else ""
            self.stdout.write(f"provisioned: migrations, grants and role groups are in place{after}")

    def _prove(self) -> None:
        """Probe a vault that has never been probed; say so where it is not proven, and where the key is not known."""
        if not signing.is_known():
            self.stderr.write(
                "AUDIT_KEY: the log knows other keys: processes that have those cannot read the note of this one, and"
                " alert audit_broken"
            )
        restore.try_look(actor=actors.program(name="provision", channel="command"), now=timezone.now())
        problem = probes.prove(actor=actors.program(name="provision", channel="command"), now=timezone.now())
        if not probes.is_proven():
            why = writing.of_problem(problem=problem, language="en") if problem else "it was asked a moment ago"
            self.stderr.write(
                f"VAULT_URL: no probe of it has passed: {why} ({problem.code if problem else 'provision again'});"
                " no number is given before one has. It is asked again every minute"
            )


def _require_standby(*, cursor: CursorWrapper) -> None:
    """Refuse to begin where the first commit would wait for ever.

    :raises CommandError: PostgreSQL waits for a standby, and none is connected
    """
    cursor.execute(
        "SELECT current_setting('synchronous_standby_names') <> '' AND NOT EXISTS (SELECT FROM pg_stat_replication)"
    )
    if cursor.fetchone()[0]:
        raise CommandError(
            "commits wait for a standby (synchronous_standby_names), and none is connected: connect one, or go on with"
            " one copy, both by docs/operations/failover.md"
        )


def _require_unused(*, cursor: CursorWrapper, role: str) -> None:
    """Refuse to retire a role that is needed.

    :raises CommandError: there is no such role, it is one of the two of this deployment, or it has sessions
    """
    if not role:
        return
    if role in {settings.DATABASES[alias]["USER"] for alias in ("default", "owner")}:
        raise CommandError(f"--retire: {role} is the role of DATABASE_URL or DATABASE_OWNER_URL")
    cursor.execute("SELECT count(*) FROM pg_roles WHERE rolname = %s", [role])
    if not cursor.fetchone()[0]:
        raise CommandError(f"--retire: there is no role {role}")
    cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", [role])
    if sessions := cursor.fetchone()[0]:
        raise CommandError(f"--retire: {role} has {sessions} sessions: exchange DATABASE_URL on every host first")


def _retry_held() -> None:
    """Let events be tried again that the country packs of this version may know better."""
    with transaction.atomic():
        waiting.retry(held=Event.objects.filter(code__in=waiting.PACK_CODES), now=timezone.now())


def _secure(*, cursor: CursorWrapper, role: str, retired: str) -> None:
    """Make guards and grants, and note what they are.

    :raises CommandError: a table is declared nowhere, or the runtime role may do more than it should
    """
    _fill(cursor=cursor)
    for table in enforcement.undeclared(cursor=cursor):
        raise CommandError(f"the table {table} has no row in audit/tables.py: nobody may say what it allows")
    enforcement.make_guards(cursor=cursor)

    def grant() -> None:
        # At once: a service that runs meanwhile never lacks what it needs.
        with transaction.atomic(using="owner"):
            _grant(cursor=cursor, role=role)
            if retired:
                _withdraw(cursor=cursor, role=retired)
            inspection.remember(cursor=cursor)

    patience.persist(grant, using="owner")
    for table in inspection.too_open(cursor=cursor, role=role):
        raise CommandError(f"the runtime role {role} has more than it needs on {table}: revoke what PUBLIC has there")


@contextlib.contextmanager
def _noted(*, cursor: CursorWrapper) -> Iterator[None]:
    """Note that the guards are being made, and where that fails, that they no longer are; the end notes itself."""
    rollout.note(cursor=cursor, stage=rollout.BEGAN, declared=declared.declaration())
    try:
        yield
    except BaseException:  # Ctrl-C, too
        patience.leave_block(using="owner")
        rollout.note(cursor=cursor, stage=rollout.FAILED, declared=declared.declaration())
        raise


def _fill(*, cursor: CursorWrapper) -> None:
    """Write the periods of erasure, and the countries whose packs came after the migration that adds the first ones."""
    erasure.set_periods(cursor=cursor)
    for code, country in pack.registry().items():
        cursor.execute(
            "INSERT INTO documents_country (code, name) VALUES (%s, %s) ON CONFLICT DO NOTHING", [code, country.name.es]
        )


@contextlib.contextmanager
def _alone(*, tell: Callable[[str], object]) -> Iterator[CursorWrapper]:
    """Yield a cursor of the owner that no other provisioning runs beside.

    :raises CommandError: a table was never free; the message says who holds it
    """
    with connections["owner"].cursor() as cursor:
        # A migration may take its time, but must not queue the whole service behind a lock it waits for.
        cursor.execute("SET statement_timeout = 0")
        patience.take_turn(cursor=cursor, number=LOCK, tell=tell)
        patience.wait_briefly(using="owner")
        try:
            yield cursor
        except patience.TableBusyError as error:
            raise CommandError(str(error)) from error
        finally:
            connections["owner"].close()  # gives the lock back, whatever state the connection is in


def _refuse_strangers(*, cursor: CursorWrapper) -> None:
    """Refuse a role that cannot be the owner, before anything is changed.

    :raises CommandError: the tables are another role's, or there are none and it may make none
    """
    cursor.execute(
        "SELECT current_user, (SELECT tableowner FROM pg_tables WHERE schemaname = 'public' AND tablename ="
        " 'django_migrations'), has_schema_privilege('public', 'CREATE')"
    )
    role, owner, may_make = cursor.fetchone()
    if owner not in {None, role}:
        raise CommandError(f"DATABASE_OWNER_URL: the tables belong to {owner}, and {role} is another role")
    if not may_make:
        raise CommandError(f"the owner may make no tables: GRANT CREATE, USAGE ON SCHEMA public TO {role};")


def _ensure_role(*, cursor: CursorWrapper, role: str, password: str) -> None:
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
    if cursor.fetchone():
        return
    cursor.execute("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
    if not cursor.fetchone()[0]:
        raise CommandError(
            f"the runtime role is missing and the owner may not create it: CREATE ROLE {role} LOGIN PASSWORD '...';"
        )
    _run(
        cursor=cursor,
        statement="CREATE ROLE {role} LOGIN PASSWORD {password}",
        role=role,
        password=sql.Literal(password),
    )


def _grant(*, cursor: CursorWrapper, role: str) -> None:
    """Revoke everything, then grant what is needed; grants of earlier versions are revoked as well.

    Call in a transaction, so that no other session sees the state between the two.
    """
    cursor.execute("SELECT current_database()")
    database = sql.Identifier(cursor.fetchone()[0])
    for statement in (
        "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "REVOKE ALL ON DATABASE {database} FROM {role}",
        "REVOKE ALL ON SCHEMA public FROM {role}",
        "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}",
        "REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {role}",
        "GRANT CONNECT ON DATABASE {database} TO {role}",
        "GRANT USAGE ON SCHEMA public TO {role}",
        # What earlier versions granted on tables to come: a new table has its row in the declaration, or no grant.
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON TABLES FROM {role}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON SEQUENCES FROM {role}",
    ):
        _run(cursor=cursor, statement=statement, role=role, database=database)
    for granted in (*enforcement.grants_sql(role=role), *guard.grants_sql(role=role)):
        _run(cursor=cursor, statement=granted, role=role)


def _withdraw(*, cursor: CursorWrapper, role: str) -> None:
    """Take every right from a former runtime role; what the owner withdraws here is no change behind the log's back."""
    cursor.execute("SELECT current_database()")
    database = sql.Identifier(cursor.fetchone()[0])
    _run(cursor=cursor, statement="REVOKE ALL ON DATABASE {database} FROM {role}", role=role, database=database)
    for kind in ("SCHEMA", "ALL TABLES IN SCHEMA", "ALL SEQUENCES IN SCHEMA", "ALL ROUTINES IN SCHEMA"):
        _run(cursor=cursor, statement=f"REVOKE ALL ON {kind} public FROM {{role}}", role=role)


def _powers(*, cursor: CursorWrapper, role: str) -> Iterator[str]:
    """Yield, as the end of a sentence with its mend, each power that would let the runtime role step around a guard."""
    cursor.execute(f"SELECT {TOO_MUCH} FROM pg_roles WHERE rolname = %s", [role])  # noqa: S608 - a constant of this file
    if cursor.fetchone()[0]:
        yield f"has more than LOGIN: ALTER ROLE {role} NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS;"
    cursor.execute("SELECT current_user, pg_has_role(%s, current_user, 'MEMBER')", [role])
    owner, member = cursor.fetchone()
    if member:
        yield f"is a member of the owner role: REVOKE {owner} FROM {role};"
    cursor.execute("SELECT has_parameter_privilege(%s, 'session_replication_role', 'SET')", [role])
    if cursor.fetchone()[0]:
        yield f"may switch triggers off: REVOKE SET ON PARAMETER session_replication_role FROM {role};"
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tableowner = %s", [role])
    for (table,) in cursor.fetchall():
        yield f"owns a table: ALTER TABLE {table} OWNER TO {owner};"


def _run(*, cursor: CursorWrapper, statement: str, role: str, **parts: sql.Composable) -> None:
    """Run one statement with quoted names: grants take no parameters."""
    cursor.execute(sql.SQL(statement).format(role=sql.Identifier(role), **parts).as_string(cursor.connection))
