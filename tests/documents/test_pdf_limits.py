"""What happens to everybody else's documents when one of them hangs, eats memory, crashes or is killed."""

import datetime as dt
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pypdfium2
import pytest

from documents import errors
from documents.rendering import pool as renderer_pool
from documents.rendering import render as rendering
from tests.documents import pdf_contents, pdf_reading

ISSUED_AT = dt.datetime(2026, 2, 24, 9, 30, tzinfo=dt.UTC)
HANGS = (
    "{% for a in doc.document_key %}{% for b in doc.document_key %}{% for c in doc.document_key %}"
    "{% for d in doc.document_key %}.{% endfor %}{% endfor %}{% endfor %}{% endfor %}"
)
HUNGRY = HANGS.replace("{% for d in doc.document_key %}.{% endfor %}", "x" * 20_000)  # 700 MB
LONG_ROWS = 450  # of a payout of some twenty pages


class Interrupted(Exception):
    """Celery's soft time limit, a Ctrl-C: something that comes from outside in the middle of a job."""


@pytest.fixture
def pools() -> Iterator[Callable[..., renderer_pool.Pool]]:
    """Pools of one child that end with the test."""
    made: list[renderer_pool.Pool] = []

    def make(**options: Any) -> renderer_pool.Pool:
        made.append(renderer_pool.Pool(size=1, **options))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


def render(pool: renderer_pool.Pool, content: pdf_contents.ContentJson | None = None) -> rendering.Rendered:
    return rendering.render(content=content or pdf_contents.receipt(), issued_at=ISSUED_AT, pool=pool)


def child(pool: renderer_pool.Pool) -> renderer_pool.Child:
    found = pool.places.queue[-1]
    assert found is not None
    return found


def kill_at_work(pid: int) -> None:
    """Kill a child once it works on its next document, however long that takes to reach it on a busy machine."""
    victim = psutil.Process(pid)
    idle_s = victim.cpu_times().user
    while victim.cpu_times().user < idle_s + 0.2:
        time.sleep(0.01)
    victim.kill()


def with_template(folder: pathlib.Path, body: str) -> pathlib.Path:
    bundle = folder / "bundle"
    shutil.copytree(rendering.BUNDLE, bundle)
    (bundle / "credit_note" / "v1.html").write_text(body)
    return bundle


def test_a_template_that_never_ends_is_cut_off_and_the_next_document_is_printed(
    pools: Callable[..., renderer_pool.Pool], tmp_path: pathlib.Path
) -> None:
    pool = pools(bundle=with_template(tmp_path, HANGS), limits=renderer_pool.Limits(cpu_base_s=1, cpu_line_s=0))
    render(pool)
    first = child(pool).process.pid
    with pytest.raises(errors.Problem) as caught:
        render(pool, pdf_contents.credit())
    assert caught.value.code == "render_timeout"
    assert caught.value.row.retryable
    assert render(pool).pages == 1
    assert child(pool).process.pid != first


def test_a_renderer_that_sleeps_is_cut_off_by_the_wall_clock(pools: Callable[..., renderer_pool.Pool]) -> None:
    pool = pools(limits=renderer_pool.Limits(cpu_base_s=1, cpu_line_s=0, wall_factor=1.5))
    render(pool)
    stopped = child(pool).process.pid
    os.kill(stopped, signal.SIGSTOP)
    started = time.monotonic()
    with pytest.raises(errors.Problem) as caught:
        render(pool)
    assert caught.value.code == "render_timeout"
    assert time.monotonic() - started < 10
    assert not pathlib.Path(f"/proc/{stopped}").exists(), "killed and reaped"
    assert render(pool).pages == 1


def test_a_document_that_eats_all_memory_fails_alone(
    pools: Callable[..., renderer_pool.Pool], tmp_path: pathlib.Path
) -> None:
    probe = pools()
    render(probe)
    status = pathlib.Path(f"/proc/{child(probe).process.pid}/status").read_text()
    used = int(next(line for line in status.splitlines() if line.startswith("VmSize")).split()[1]) * 1024
    pool = pools(
        bundle=with_template(tmp_path, HUNGRY), limits=renderer_pool.Limits(address_space_bytes=used + 128 * 1024**2)
    )
    assert render(pool).pages == 1
    with pytest.raises(errors.Problem) as caught:
        render(pool, pdf_contents.credit())
    assert caught.value.code == "render_failed"
    assert render(pool).pages == 1


def test_a_renderer_killed_between_two_documents_is_replaced_unseen(pools: Callable[..., renderer_pool.Pool]) -> None:
    pool = pools()
    before = render(pool)
    os.kill(child(pool).process.pid, signal.SIGKILL)
    time.sleep(0.2)
    assert render(pool).pdf == before.pdf


def test_a_renderer_killed_in_the_middle_is_named_and_replaced(pools: Callable[..., renderer_pool.Pool]) -> None:
    pool = pools()
    render(pool)
    threading.Thread(target=kill_at_work, args=(child(pool).process.pid,)).start()
    with pytest.raises(errors.Problem) as caught:
        render(pool, pdf_contents.payout(rows=1500))
    assert caught.value.code == "render_failed"
    assert render(pool).pages == 1


def test_a_renderer_that_a_long_payout_has_left_big_serves_no_more(pools: Callable[..., renderer_pool.Pool]) -> None:
    pool = pools()
    before = render(pool).pdf
    first = child(pool).process.pid
    assert render(pool, pdf_contents.order(lines=34)).pages == 2
    assert child(pool).process.pid == first, "it serves on after a document of everyday length"
    assert render(pool, pdf_contents.payout(rows=LONG_ROWS)).pages > 15
    assert pool.places.queue[-1] is None
    assert not pathlib.Path(f"/proc/{first}").exists(), "ended and reaped: its memory is given back at once"
    assert render(pool).pdf == before


def test_a_renderer_serves_for_an_hour_and_no_longer(pools: Callable[..., renderer_pool.Pool]) -> None:
    pool = pools()
    render(pool)
    first = child(pool)
    first.warm_at_s -= 3500
    render(pool)
    assert child(pool) is first
    first.warm_at_s -= 101
    render(pool)
    assert not first.alive
    assert render(pool).pages == 1


def test_an_interrupted_job_never_leaves_its_pdf_to_the_next_document(
    pools: Callable[..., renderer_pool.Pool],
) -> None:
    pool = pools()
    render(pool)

    def interrupt(*_args: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(Interrupted):
            render(pool, pdf_contents.payout(rows=400))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert "AES-PR-2026-0000001" in pdf_reading.text(render(pool).pdf)


def test_a_broken_template_is_named_without_the_persons_data_and_stops_nobody(
    pools: Callable[..., renderer_pool.Pool], tmp_path: pathlib.Path
) -> None:
    pool = pools(bundle=with_template(tmp_path, '{% include "nowhere.html" %}{{ doc.owner.legal_name }}'))
    with pytest.raises(errors.Problem) as caught:
        render(pool, pdf_contents.credit())
    assert caught.value.code == "render_failed"
    assert "TemplateDoesNotExist" in str(caught.value)
    assert "Camila" not in str(caught.value)
    assert render(pool).pages == 1


def test_a_machine_without_the_bundle_is_told_what_is_missing(
    pools: Callable[..., renderer_pool.Pool], tmp_path: pathlib.Path
) -> None:
    pool = pools(bundle=tmp_path)
    for _ in range(2):
        with pytest.raises(errors.Problem) as caught:
            render(pool)
        assert caught.value.code == "render_failed"
        assert caught.value.values["cause"] == "template"


def test_when_every_renderer_is_busy_the_wait_has_an_end(pools: Callable[..., renderer_pool.Pool]) -> None:
    pool = pools()
    pool.wait_s = 0.2
    pool.places.get()
    with pytest.raises(errors.Problem) as caught:
        render(pool)
    assert caught.value.code == "render_timeout"
    pool.places.put(None)


def test_ten_threads_each_get_their_own_document() -> None:
    pool = renderer_pool.Pool(size=2)
    found: dict[int, str] = {}

    def one(number: int) -> None:
        content = pdf_contents.receipt() | {"number": f"AES-PR-2026-{number:07d}"}
        found[number] = pdf_reading_of(rendering.render(content=content, issued_at=ISSUED_AT, pool=pool).pdf)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pool.close()
    assert all(f"AES-PR-2026-{number:07d}" in found[number] for number in range(10))


_reading = threading.Lock()


def pdf_reading_of(pdf: bytes) -> str:
    with _reading:  # PDFium serves one thread at a time
        return str(pypdfium2.PdfDocument(pdf)[0].get_textpage().get_text_range())


PARENT = """
import datetime as dt, sys, threading, time
from documents.rendering import pool as renderer_pool
from documents.rendering import render
from tests.documents import pdf_contents
when = dt.datetime(2026, 2, 24, tzinfo=dt.UTC)
pool = renderer_pool.Pool(size=1)
render.render(content=pdf_contents.receipt(), issued_at=when, pool=pool)
print(pool.places.queue[-1].process.pid, flush=True)
if sys.argv[1] == "busy":
    render.render(content=pdf_contents.payout(rows=1500), issued_at=when, pool=pool)
time.sleep(60)
"""


@pytest.mark.parametrize("how", ["idle", "busy"])
def test_a_renderer_does_not_outlive_a_worker_that_was_killed(how: str) -> None:
    environment = {"PYTHONPATH": str(renderer_pool.ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, how], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(0.5)
        parent.kill()
        parent.wait()
        until = time.monotonic() + 5
        while pathlib.Path(f"/proc/{pid}/cmdline").exists() and pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
            assert time.monotonic() < until, "still there"
            time.sleep(0.1)


def test_a_forked_worker_has_renderers_of_its_own() -> None:
    rendering.render(content=pdf_contents.receipt(), issued_at=ISSUED_AT)
    ours = rendering._pool
    pid = os.fork()
    if pid == 0:
        os._exit(
            0
            if rendering._pool is not ours and list(rendering._pool.places.queue) == [None] * rendering.POOL_SIZE
            else 1
        )
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert rendering.render(content=pdf_contents.receipt(), issued_at=ISSUED_AT).pages == 1


def test_time_allowed_grows_with_the_lines_up_to_a_minute() -> None:
    limits = renderer_pool.Limits()
    assert [limits.cpu_s(lines=lines) for lines in (0, 1500, 2000, 90_000)] == [10, 40, 50, 60]
