"""Start-up checks: every route declares its rule, every table is complete, every text has its template."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from audit import tables
from audit.actions import RETIRED, Action
from config import celery, env, schedule
from config.events import TABLE
from documents import catalog, errors
from documents.access import ownership
from documents.access.admission import AccessRule, Recorded, Unrecorded
from documents.countries import pack, proof
from documents.events import envelope
from documents.rendering import render
from documents.sentences import writing
from documents.task_names import TaskName

POSTGRESQL_MIN = 15  # has_parameter_privilege: whether the runtime role may switch triggers off
MIGRATIONS = "django_migrations"  # Django's own table, of no installed model
# The zone in which a day begins first: no review date of today is in its future.
FIRST_ZONE = dt.timezone(dt.timedelta(hours=14))


@register()
def check_routes(app_configs: Sequence[AppConfig] | None, **options: Any) -> Iterable[CheckMessage]:
    """Refuse to start with a URL that declares no roles, no ownership with a resolver, or no audit event."""
    for place, pattern in patterns(get_resolver()):
        rule = getattr(pattern, "rule", None)
        if not isinstance(rule, AccessRule):
            yield Error(f"the route {place!r} declares no rule", hint="declare it with routes.route", id="access.E001")
        elif not rule.roles or rule.ownership not in ownership.RESOLVERS:
            yield Error(f"the route {place!r} leaves roles or ownership empty", id="access.E002")
        elif isinstance(rule.audit, Recorded) and rule.audit.action not in set(Action) - RETIRED:
            yield Error(f"the route {place!r} names an unknown audit event", id="access.E003")
        elif isinstance(rule.audit, Unrecorded) and not rule.audit.reason.strip():
            yield Error(f"the route {place!r} does not say why nothing is recorded", id="access.E004")


@register()
def check_tables(app_configs: Sequence[AppConfig] | None, **options: Any) -> Iterable[CheckMessage]:
    """Refuse to start with an incomplete table."""
    if set(TABLE) != set(envelope.SCHEMAS):
        yield Error(f"event types and schemas differ: {sorted(set(TABLE) ^ set(envelope.SCHEMAS))}", id="events.E001")
    for name, row in TABLE.items():
        if row.service not in env.SERVICES:
            yield Error(f"{name}: no platform service {row.service!r}", id="events.E002")
    today = timezone.now().astimezone(FIRST_ZONE).date()
    for code, country in pack.registry().items():
        faults = proof.complete(country, today=today)
        yield from (Error(f"country pack {code}: {fault}", id="countries.E001") for fault in faults)
        for kind, rules in catalog.TABLE.items():
            try:
                render.template_for(kind=kind, country=code, version=rules.template_version)
            except errors.Problem as problem:
                yield Error(writing.of_problem(problem=problem, language="en"), id="templates.E001")


@register()
def check_tasks(app_configs: Sequence[AppConfig] | None, **options: Any) -> Iterable[CheckMessage]:
    """Refuse to start where Celery knows other tasks than are enqueued and scheduled."""
    celery.app.autodiscover_tasks(force=True)
    celery.app.finalize()
    floors = tuple(f"{app.name}." for app in apps.get_app_configs())
    own = {str(name) for name, task in celery.app.tasks.items() if task.__module__.startswith(floors)}
    if own != set(TaskName):
        yield Error(f"the tasks and their names differ: {sorted(own ^ set(TaskName))}", id="tasks.E001")
    for name, entry in schedule.SCHEDULE.items():
        if entry["task"] not in set(TaskName):
            yield Error(f"the schedule's {name} names no task: {entry['task']}", id="tasks.E002")


@register()
def check_guards(app_configs: Sequence[AppConfig] | None, **options: Any) -> Iterable[CheckMessage]:
    """Refuse to start with a table that `audit.tables` does not declare, or a declaration of what does not exist."""
    models = {model._meta.db_table: model for model in apps.get_models(include_auto_created=True)}
    for table in sorted(models.keys() - tables.TABLES.keys()):
        yield Error(f"the table {table} has no row", hint="declare it in audit/tables.py", id="audit.E001")
    for table, row in tables.TABLES.items():
        if table not in models:
            if table != MIGRATIONS:
                yield Error(f"audit/tables.py declares {table}, which no model has", id="audit.E002")
            continue
        columns = {field.column for field in models[table]._meta.local_concrete_fields}
        for column in sorted({*row.updates} - columns):
            yield Error(f"audit/tables.py declares {table}.{column}, which does not exist", id="audit.E003")


@register(Tags.database)
def check_postgresql(databases: Sequence[str] | None, **options: Any) -> Iterable[CheckMessage]:
    """Refuse a PostgreSQL that is too old (`make manage ARGS="check --database default"`, and `migrate`)."""
    for alias in databases or ():
        if message := too_old(using=alias):
            yield Error(message, id="postgresql.E001")


def too_old(*, using: str) -> str:
    """Return a message if a connection's PostgreSQL is too old, else an empty text.

    :raises django.db.NotSupportedError: it is older than Django itself talks to
    """
    with connections[using].cursor():
        major, minor = divmod(connections[using].pg_version, 10_000)  # type: ignore[attr-defined]  # PostgreSQL's wrapper has it
    return "" if major >= POSTGRESQL_MIN else f"PostgreSQL {POSTGRESQL_MIN} or newer is needed; this is {major}.{minor}"


def patterns(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Yield every route with its place, the Document Center's included."""
    for pattern in resolver.url_patterns:
        place = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from patterns(pattern, place)
        else:
            yield place, pattern
