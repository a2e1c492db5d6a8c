"""Metrics: whose they are, what they begin with, and what dead processes leave."""

import contextlib
import http.client
import io
import os
import pathlib
import subprocess
import sys

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.http import HttpResponse
from django.test import Client, RequestFactory
from pytest_django import Settings

from audit import log
from audit.models import Event as LogEvent
from config import env, production
from documents import errors, metrics
from documents.access import http_metrics, proxies
from documents.alerts import discrepancies
from documents.operations import ledger_gauges, worker_metrics
from tests import factories

TOKEN = "a-token-of-this-test-that-nobody-else-has"
DEAD = 999_999_999
OURS = ("# TYPE docs_", "# TYPE django_")
SHARED = pytest.mark.django_db(databases=["default", "denials"])


@pytest.fixture
def _token(settings: Settings) -> None:
    settings.METRICS_TOKEN, settings.INNER_NETWORKS = TOKEN, []


@SHARED
@pytest.mark.usefixtures("_token")
def test_only_who_has_the_token_reads_metrics_and_the_long_answer() -> None:
    bearer = {"authorization": f"Bearer {TOKEN}"}
    for wrong in ({}, {"authorization": "Bearer other"}, {"authorization": TOKEN}, {"authorization": "Bearer "}):
        answer = Client(headers=wrong).get("/metrics")
        assert (answer.status_code, b"docs_" in answer.content) == (401, False)
        assert set(Client(headers=wrong).get("/readyz").json()) == {"status"}
    assert b"docs_documents{" in Client(headers=bearer).get("/metrics").content
    assert "dependencies" in Client(headers=bearer).get("/readyz").json()
    assert LogEvent.objects.using("denials").filter(object_id="metrics", code="not_authenticated").exists()


@SHARED
def test_an_inner_address_needs_no_token_unless_somebody_passed_it_on(settings: Settings) -> None:
    settings.METRICS_TOKEN, settings.INNER_NETWORKS = TOKEN, env.networks(name="NONE", default="127.0.0.0/8")
    assert Client().get("/metrics").status_code == 200
    for header in proxies.PASSED_ON:
        name = header.removeprefix("HTTP_").replace("_", "-").lower()
        assert Client(headers={name: "127.0.0.1"}).get("/metrics").status_code == 401
    settings.INNER_NETWORKS = env.networks(name="NONE", default="10.0.0.0/8")
    assert Client().get("/metrics").status_code == 401


@SHARED
def test_two_tokens_open_while_one_is_exchanged(settings: Settings) -> None:
    settings.METRICS_TOKEN, settings.INNER_NETWORKS = f"{TOKEN} {TOKEN}-of-before", []
    statuses = [
        Client(headers={"authorization": f"Bearer {given}"}).get("/metrics").status_code
        for given in (TOKEN, f"{TOKEN}-of-before", f"{TOKEN} {TOKEN}-of-before", "")
    ]
    assert statuses == [200, 200, 401, 401]


@SHARED
def test_no_token_is_no_key_for_an_empty_one(settings: Settings) -> None:
    settings.METRICS_TOKEN, settings.INNER_NETWORKS = "", []
    assert Client(headers={"authorization": "Bearer "}).get("/metrics").status_code == 401


def test_every_custody_code_has_a_series_from_the_start_so_that_its_first_error_is_an_increase() -> None:
    code = "from documents import metrics; print(metrics.exposition().decode())"
    script = f"import django; django.setup(); {code}"
    page = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"},
        cwd=env.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in (name for name in errors.CODES if name.startswith("worm_")):
        assert f'docs_worm_errors_total{{code="{name}"}} 0.0' in page


def test_a_server_counts_in_a_folder_of_its_own_without_a_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setattr(env, "BASE_DIR", tmp_path)
    (tmp_path / "var").mkdir()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")  # so that it is put back
    monkeypatch.setattr(sys, "argv", ["manage.py", "provision"])
    assert env.metrics_folder() == ""
    monkeypatch.setattr(sys, "argv", ["/x/.venv/lib/gunicorn/__main__.py", "--config"])
    folder = pathlib.Path(env.metrics_folder())
    assert folder.parent == tmp_path / "var"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert env.text(name="PROMETHEUS_MULTIPROC_DIR") == str(folder)


def test_what_dead_processes_counted_goes_once_all_of_them_are_dead(tmp_path: pathlib.Path) -> None:
    alive = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    files = {f"counter_{DEAD}.db", f"histogram_{alive.pid}.db", f"counter_{os.getpid()}.db", "notes.txt"}
    for name in files:
        (tmp_path / name).touch()
    assert metrics.clear(folder=str(tmp_path)) == 0
    alive.kill()
    alive.wait()
    assert metrics.clear(folder=str(tmp_path)) == 2
    assert {path.name for path in tmp_path.iterdir()} == {f"counter_{os.getpid()}.db", "notes.txt"}


COUNTING = """
import os, signal
from documents import metrics
metrics.DENIED.labels(code="not_found").inc()
metrics.RENDER_SECONDS.labels(kind="RIDE").observe(0.2)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_processes_that_die_beside_one_that_lives_leave_their_counts_and_few_files(tmp_path: pathlib.Path) -> None:
    alive = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    (tmp_path / f"counter_{DEAD}.db").touch()  # of a process that died as it began
    for number in range(1, 4):
        variables = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
        subprocess.run([sys.executable, "-c", COUNTING], env=variables, cwd=env.BASE_DIR, check=False)
        (tmp_path / f"counter_{alive.pid}.db").touch()
        (tmp_path / f"counter_{alive.pid}.db").write_bytes(b"\0" * 65536)
        for _ in range(2):
            page = metrics.exposition(folder=str(tmp_path)).decode()
            assert series(page, name="docs_denied_total") == {'code="not_found"': number}
            assert series(page, name="docs_render_seconds_count") == {'kind="RIDE"': number}
        living = f"counter_{alive.pid}.db"
        assert {path.name for path in tmp_path.glob("*.db")} == {"counter_dead.db", "histogram_dead.db", living}
    alive.kill()
    alive.wait()
    metrics.clear(folder=str(tmp_path))
    assert list(tmp_path.glob("*.db")) == []


def test_no_metric_is_a_gauge_that_a_dead_process_would_leave_behind() -> None:
    kinds = [line.split()[2:] for line in metrics.exposition().decode().splitlines() if line.startswith(OURS)]
    # When each series was born is no metric of several processes: the client leaves it out there.
    assert [name for name, kind in kinds if kind == "gauge" and not name.endswith("_created")] == []


@pytest.mark.usefixtures("_token")
def test_a_worker_shows_what_it_has_counted_to_who_has_the_token(settings: Settings) -> None:
    settings.METRICS_BIND = "127.0.0.1:0"
    server = worker_metrics.start()
    assert server is not None
    answers = []
    for path, token in (("/metrics", TOKEN), ("/metrics", "other"), ("/other", TOKEN)):
        door = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
        door.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = door.getresponse()
        answers.append((answer.status, b"docs_document_locked_total" in answer.read()))
        door.close()
    server.shutdown()
    server.server_close()
    assert answers == [(200, True), (401, False), (404, False)]


@pytest.mark.parametrize("token", ["short", "x" * 40, "production-secret-key-that-is-long-enough", f"{TOKEN} short"])
def test_production_refuses_a_trivial_token(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "production-secret-key-that-is-long-enough")
    monkeypatch.setenv("METRICS_TOKEN", token)
    assert [name for name, _mend in production._metrics_token()] == ["METRICS_TOKEN"]


@pytest.mark.django_db
def test_backups_are_as_old_as_their_record_says_and_without_one_as_old_as_the_deployment() -> None:
    factories.issuer()
    assert set(ledger_gauges._backups()) == {"taken", "restored"}
    call_command("record_backup", stdout=io.StringIO())
    assert ledger_gauges._backups()["taken"] < 5
    assert LogEvent.objects.filter(object_id="backups", action="backup.taken").count() == 1


@pytest.mark.django_db
def test_differences_that_nobody_has_explained_are_added_up_by_country() -> None:
    document = factories.document()
    for number, (first, other) in enumerate((("24.20", "21.88"), ("10.00", "11.00"))):
        with transaction.atomic():
            discrepancies.open_one(
                code="paid_twice",
                dedup_key=f"test:{number}",
                facts={"currency": "EUR", "earned": first, "settled": other, "payouts": []},
                actor=log.SYSTEM,
                document=document,
            )
    money = ledger_gauges._unexplained()
    assert (round(money["ES"], 2), money["MX"]) == (3.32, 0.0)


def series(page: str, *, name: str) -> dict[str, float]:
    """Return the series of a family on a page of `/metrics`: its labels -> its value."""
    lines = (line for line in page.splitlines() if line.startswith(f"{name}{{"))
    return {line.partition("{")[2].partition("}")[0]: float(line.rpartition(" ")[2]) for line in lines}


@SHARED
def test_requests_are_counted_by_the_name_of_the_view_and_never_by_the_address() -> None:
    token = "S" * 43
    for method, path in (("GET", f"/l/{token}/"), ("GET", f"/{token}"), ("FORGED", f"/l/{token}/")):
        Client().generic(method, path)
    page = metrics.exposition().decode()
    assert token not in page
    answered = series(page, name="django_http_responses_total_by_status_view_method_total")
    assert {'method="GET",status="404",view="<unnamed view>"', 'method="GET",status="404",view="link"'} <= set(answered)
    timed = series(page, name="django_http_requests_latency_seconds_by_view_method_count")
    assert "FORGED" not in page
    assert any('method="<invalid method>"' in labels for labels in (*answered, *timed))


@SHARED
def test_a_problem_is_an_answer_and_a_defect_an_exception() -> None:
    name = "django_http_exceptions_total_by_type_total"
    Client().get("/api/v1/documents/doc_none/")
    assert 'type="Problem"' not in series(metrics.exposition().decode(), name=name)
    request = RequestFactory().get("/healthz")
    http_metrics.CountedViews(lambda _request: HttpResponse()).process_exception(request, ZeroDivisionError())
    assert series(metrics.exposition().decode(), name=name)['type="ZeroDivisionError"'] >= 1


@SHARED
def test_statements_connections_and_their_errors_are_counted_by_the_connection() -> None:
    def counted(name: str, labels: str = 'alias="default",vendor="postgresql"') -> float:
        return series(metrics.exposition().decode(), name=name).get(labels, 0.0)

    before = counted("django_db_query_duration_seconds_count")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 'what it says is in no metric'")
        cursor.executemany("SELECT %s", [[1], [2], [3]])
    assert counted("django_db_query_duration_seconds_count") == before + 2
    failed = 'alias="default",type="UndefinedColumn",vendor="postgresql"'
    seen = counted("django_db_errors_total", failed)
    with contextlib.suppress(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT nothing_of_that_name")
    assert counted("django_db_errors_total", failed) == seen + 1
    opened = counted("django_db_new_connections_total")
    assert opened >= 1
    assert "in no metric" not in metrics.exposition().decode()
