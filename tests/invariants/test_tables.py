"""The tables are whole, agree with each other, and the documentation is drawn from them."""

import ast
import functools
import inspect
import re
from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connection
from prometheus_client.metrics import MetricWrapperBase

from audit import inspection
from audit.actions import RETIRED, Action
from config import celery, events, schedule
from config import env as environment
from documents import catalog, errors, metrics
from documents.access import roles
from documents.alerts import catalog as alert_catalog
from documents.countries import pack
from documents.emission import locking
from documents.events import envelope
from documents.models import Document, Kind, Status
from documents.resilience import dependencies
from documents.task_names import TaskName
from tests.invariants.test_laws import files, trees

OWNERS = sorted(inspection.AS_OWNER)
DOCS = environment.BASE_DIR / "docs"


def test_every_route_declares_who_may_come_and_every_table_is_whole() -> None:
    call_command("check", fail_level="WARNING")


@pytest.mark.django_db
def test_no_weakness_is_left_in_the_running_databases_guards() -> None:
    assert inspection.weaknesses() == {}


@pytest.mark.django_db
def test_the_state_of_a_document_cannot_commit_without_its_event() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgname FROM pg_trigger WHERE tgrelid = 'documents_document'::regclass AND tgdeferrable")
        names = {name for (name,) in cursor.fetchall()}
    assert {"audit_guard_documents_document_born", "audit_guard_documents_document_moved"} <= names


@pytest.mark.django_db
def test_the_states_in_the_documentation_are_those_that_the_database_enforces() -> None:
    """The README's table is drawn from the triggers: transitions from one, their audit events from the other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = 'documents_document_frozen'")
        (frozen,) = cursor.fetchone()
        cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = 'audit_guard_documents_document'")
        (guarded,) = cursor.fetchone()
    moves = re.findall(r"\('([A-Z]+)', '([A-Z]+)'\)", frozen)
    actions = {
        state: re.findall(r"'([a-z_]+\.[a-z_]+)'", words)
        for state, words in re.findall(r"WHEN '([A-Z]+)' THEN ARRAY\[([^\]]*)\]", guarded)
    }
    assert set(actions) == set(Status)
    drawn = [f"| (new) | ISSUED | `{actions['ISSUED'][0]}` |"]
    for before, after in moves:
        action = actions[after][-1 if before == "QUARANTINED" else 0]
        drawn.append(f"| {before} | {after} | `{action}` |")
    told = (environment.BASE_DIR / "documents" / "README.md").read_text(encoding="utf-8")
    table = told.partition("<!-- states -->")[2].partition("<!-- /states -->")[0]
    assert [line for line in table.strip().splitlines() if line.startswith("|")][2:] == drawn


def test_a_states_word_is_also_its_action_its_time_and_its_metric() -> None:
    columns = {field.name for field in Document._meta.get_fields()}
    for status in (Status.ISSUED, Status.LOCKED, Status.QUARANTINED):
        word = status.lower()
        assert f"document.{word}" in set(Action)
        assert f"{word}_at" in columns
        assert f"docs_document_{word}_total" in _metrics(), word


def test_every_action_keeps_the_grammar() -> None:
    assert [action for action in Action if not re.fullmatch(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*", action)] == []


def test_every_step_leaves_a_state_and_its_action_exists() -> None:
    for state in locking.STEPS:
        assert state in Status
    assert {f"document.{state.lower()}" for state in Status} <= set(Action)


def test_every_code_speaks_spanish_and_english() -> None:
    for code, row in errors.CODES.items():
        assert row.es.strip(), code
        assert row.en.strip(), code
        assert row.es != row.en, code
        assert 400 <= row.status < 600, code


def test_what_may_be_tried_again_is_what_may_pass_by_itself() -> None:
    for code, row in errors.CODES.items():
        if row.retryable:
            assert row.status in {409, 429, 500, 503}, code
        if row.status == 503:
            assert row.retryable, code


def test_every_dependency_has_its_fallback_its_alert_and_its_limits() -> None:
    assert {"vault", "mail", "redis", "postgresql", "renderer", "clock"} <= set(dependencies.DEPENDENCIES)
    for name, row in dependencies.DEPENDENCIES.items():
        assert (row.name, len(row.fallback)) == (name, 2)
        assert all(text.strip() for text in row.fallback), name
        assert row.alert_severity in {"P1", "P2"}, name
        assert 0 <= row.connect_s <= row.total_s, name
        assert (
            environment.BASE_DIR / "docs" / "runbooks" / f"{name.removesuffix('_2').replace('_', '-')}.md"
        ).is_file(), name


def test_every_kind_has_its_row_its_template_and_its_title_in_every_country() -> None:
    assert set(catalog.TABLE) == set(Kind)
    for code, country in pack.registry().items():
        for kind in Kind:
            assert country.titles[kind].es, (code, kind)


def test_every_event_type_has_its_schema_its_service_and_its_page() -> None:
    assert set(events.TABLE) == set(envelope.SCHEMAS)
    told = (DOCS / "events.md").read_text(encoding="utf-8")
    for name, row in events.TABLE.items():
        assert row.service in environment.SERVICES
        assert name in told, f"docs/events.md does not tell of {name}"


def test_each_task_is_enqueued_with_the_arguments_that_it_takes() -> None:
    call_command("check")  # knows every task
    enqueued = list(_enqueued())
    assert {name for name, _ in enqueued} | {TaskName(str(row["task"])) for row in schedule.SCHEDULE.values()} == set(
        TaskName
    )
    for name, arguments in enqueued:
        assert arguments == set(inspect.signature(celery.app.tasks[name].run).parameters), name


def _enqueued() -> Iterator[tuple[TaskName, set[str]]]:
    """Yield each task that some code enqueues, with the names of the arguments that it gives."""
    for _, tree in trees():
        for node in (each for each in ast.walk(tree) if isinstance(each, ast.Call)):
            if "queue.enqueue" in {ast.unparse(part) for part in (node.func, *node.args)}:
                given = {keyword.arg or "": keyword.value for keyword in node.keywords}
                name = ast.unparse(given.pop("task")).rpartition(".")[2]
                names = [TaskName[name]] if name != "task" else [row.task for row in catalog.TABLE.values()]
                yield from ((each, set(given)) for each in names)


def test_what_beat_rings_exists() -> None:
    celery.app.loader.import_default_modules()
    for name, row in schedule.SCHEDULE.items():
        assert row["task"] in celery.app.tasks, name


@pytest.mark.django_db
def test_every_action_of_the_vocabulary_is_recorded_somewhere() -> None:
    """Not named: recorded. An action stands in the code that records it, beside the tables of routes and of labels."""
    recorded = {name for name in Action.__members__ if any(f"Action.{name}" in text for text in _sources().values())}
    with connection.cursor() as cursor:  # or the database does, in a function of the owner's
        cursor.execute("SELECT string_agg(prosrc, '') FROM pg_proc WHERE prosecdef AND proname = ANY (%s)", [OWNERS])
        (written,) = cursor.fetchone()
    recorded |= {name for name, action in Action.__members__.items() if f"'{action}'" in written}
    assert {name for name, action in Action.__members__.items() if action not in RETIRED} - recorded == set()
    assert {action.name for action in RETIRED} & recorded == set()


def test_every_exported_metric_is_fed() -> None:
    exported = {name for name, value in vars(metrics).items() if isinstance(value, MetricWrapperBase)}
    fed = {name for name in exported if any(f"metrics.{name}." in text for text in _sources().values())}
    assert exported - fed == set()
    assert len(exported) > 10


def test_every_alert_that_has_a_page_is_raised_by_something() -> None:
    """By code that names it, or by a rule of Prometheus that names its page."""
    rules = (environment.BASE_DIR / "ops" / "alerts.yml").read_text(encoding="utf-8")
    alarming = {code for code, row in errors.CODES.items() if row.severity} | set(alert_catalog.ALERTS)
    alarming -= {f"dependency_{name}" for name in dependencies.DEPENDENCIES}  # by the outage of any of them
    raised = {code for code in alarming if f"#{code}" in rules}
    raised |= {code for code in alarming if any(f'"{code}"' in text for text in _sources().values())}
    assert alarming - raised == set()


def test_every_right_is_asked_for_somewhere() -> None:
    asking = re.compile(r'(?:\bright(?:: [\w\[\]]+)? ?= ?|\bDECIDES = |\bRIGHTS\[)"(\w+)"')
    asked = {right for path in files() for right in asking.findall(path.read_text(encoding="utf-8"))}
    assert len(roles.RIGHTS) > 5
    assert set(roles.RIGHTS) - asked == set()


def test_who_acts_is_made_in_one_place() -> None:
    makers = {name for name, text in _sources().items() if re.search(r"(?<!class )\bActor\(", text)}
    assert {name for name in makers if not name.startswith("audit/")} == {"documents/access/actors.py"}


@functools.cache
def _sources() -> dict[str, str]:
    """Return the product's code by file, without what only lists: the vocabularies and the tables of routes."""
    lists = {"audit/actions.py", "audit/labels.py", "documents/urls.py", "documents/errors.py"}
    lists |= {f"documents/admin/{name}.py" for name in ("document_actions", "deliveries", "incidents")}
    lists |= {"payouts/admin/decisions.py"}
    paths = {str(path.relative_to(environment.BASE_DIR)): path for path in files()}
    lists |= {name for name in paths if name.startswith("documents/sentences/")}
    lists |= {f"documents/alerts/{name}.py" for name in ("catalog", "delivery_catalog", "discrepancy_catalog")}
    assert lists <= set(paths)
    return {name: path.read_text(encoding="utf-8") for name, path in paths.items() if name not in lists}


def _metrics() -> set[str]:
    return {f"{sample.name}" for one in metrics.REGISTRY.collect() for sample in one.samples} | {
        f"{one.name}_total" for one in metrics.REGISTRY.collect()
    }
