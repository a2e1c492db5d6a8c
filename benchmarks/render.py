"""Our renderer against bare WeasyPrint: the same HTML and CSS, PDF/A-3a + UA-1 + embedded content on both sides.

    python -m benchmarks.render [--pairs 30] [--memory 2000]

Paired and interleaved, a different document each time, CPU seconds of the process that does the work (ours includes
composing the HTML from the content, the QR code and collecting garbage; bare starts from finished HTML). Only the
ratios mean anything.
Bare is `HTML(string=html).write_pdf()` in a warm process of its own that sees the same fonts.
"""

import argparse
import base64
import copy
import datetime as dt
import json
import pathlib
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import psutil

from documents import canonical
from documents.rendering import child as renderer
from documents.rendering import pool as renderer_pool
from documents.rendering import render
from tests.documents import pdf_contents

REST_S = 0.0005  # less than this within 20 ms: the child waits for work
ISSUED_AT = dt.datetime(2026, 2, 23, 9, 0, tzinfo=dt.UTC)
ALWAYS_WARM = renderer_pool.Limits(growth_bytes_max=1 << 40, age_max_s=1e9)  # bare is never renewed either
CASES: dict[str, tuple[Callable[[], dict[str, Any]], float, int]] = {
    # what: (content, goal, share of the pairs)
    "receipt, 1 page": (pdf_contents.receipt, 1.7, 1),
    "order, 2 pages": (lambda: pdf_contents.order(lines=34), 1.5, 1),
    "payout, 30 rows": (lambda: pdf_contents.payout(rows=30), 1.3, 1),
    "payout, 1,500 rows": (lambda: pdf_contents.payout(rows=1500), 1.5, 10),
}


def varied(*, content: dict[str, Any], seed: int) -> dict[str, Any]:
    """Return another document of the same shape: other numbers, names, ids and amounts."""
    chance, found = random.Random(seed), copy.deepcopy(content)
    found["number"] = f"{found['number'][:-7]}{seed:07d}"
    found["owner"]["legal_name"] = " ".join(chance.choices(pdf_contents.NAMES, k=3))
    found["verification"]["url"] = f"https://docs.example/v/{chance.getrandbits(80):020X}"
    for row in found.get("settles", []):
        row["order"] = f"ord_{chance.getrandbits(40):010X}"
        row["amount"] = row["net"] = f"{chance.randint(20, 900)}.{chance.randint(0, 99):02d}"
    for line in found.get("lines", []):
        line["description"] = " ".join(chance.choices(pdf_contents.NAMES, k=4))
    return found


def bare_worker() -> None:
    """Be the bare side: one JSON line in (content, HTML), one line out (CPU seconds, bytes)."""
    from weasyprint import HTML, Attachment

    from documents.rendering import conformance

    when = ISSUED_AT.replace(tzinfo=None)
    for line in sys.stdin:
        job = json.loads(line)
        started = time.process_time()
        attached = Attachment(
            string=job["canonical"].encode(), name="content.json", relationship="Data", created=when, modified=when
        )
        pdf = HTML(string=job["html"]).write_pdf(
            pdf_variant="pdf/a-3a",
            pdf_identifier=bytes(16),
            attachments=[attached],
            finisher=conformance.finish,
        )
        sys.stdout.write(json.dumps([time.process_time() - started, len(pdf)]) + "\n")
        sys.stdout.flush()


def html_of(*, press: renderer.Press, content: dict[str, Any]) -> str:
    """Return the very HTML that our side prints, with its style sheet and QR code inside it."""
    texts = render.job_for(content=content, issued_at=ISSUED_AT)["words"]
    context = press.composition.compose(content=content, texts=texts, characters=press.characters)
    context |= {"content_sha256": canonical.sha256(value=content), "created": "2026-02-23T09:00:00Z", "qr": True}
    about = {word: content[word] for word in ("kind", "country")}
    name = render.template_for(**about, version=content["template_version"])
    html = press.engine.get_template(name.removeprefix("pdf/")).render(press.context(context))
    code = base64.b64encode(press.conformance.qr(content["verification"]["url"])).decode()
    sheet = press.bundle.files["print.css"].decode()
    return html.replace("bundle:qr", f"data:image/png;base64,{code}").replace(
        "</head>", f"<style>{sheet}</style></head>"
    )


def html_worker() -> None:
    """Turn content into the bare side's job, for whoever has settings of his own."""
    press = renderer.Press(folder=render.BUNDLE)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(job_of(press=press, content=json.loads(line))) + "\n")
        sys.stdout.flush()


def side(*, role: str) -> subprocess.Popen[str]:
    """Start a warm process that sees our fonts: `--bare-worker` or `--html-worker`."""
    fonts = {
        "FONTCONFIG_FILE": str(render.BUNDLE / "fonts" / "fonts.conf"),
        "PYTHONPATH": str(renderer_pool.ROOT),
        "LC_ALL": "C.UTF-8",
    }
    command = [sys.executable, "-m", "benchmarks.render", role]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=fonts, cwd=renderer_pool.ROOT
    )


def job_of(*, press: renderer.Press, content: dict[str, Any]) -> dict[str, str]:
    """Return what the bare side is given."""
    return {"html": html_of(press=press, content=content), "canonical": canonical.encode(value=content).decode()}


def ask(*, worker: subprocess.Popen[str], job: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Give a worker one line and return its answer."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(json.dumps(job) + "\n")
    worker.stdin.flush()
    return json.loads(worker.stdout.readline())


def bare(*, worker: subprocess.Popen[str], press: renderer.Press, content: dict[str, Any]) -> float:
    """Return the CPU seconds of the bare side for one document."""
    return float(ask(worker=worker, job=job_of(press=press, content=content))[0])


def spent_s(*, pid: int) -> float:
    """Return the CPU seconds that a process has had (Linux counts them in nanoseconds)."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def ours(*, pool: renderer_pool.Pool, content: dict[str, Any]) -> float:
    """Return the CPU seconds of our child for one document, what comes after the answer included."""
    child = pool.places.queue[-1]
    before = spent_s(pid=child.process.pid) if child else 0.0
    rendered = render.render(content=content, issued_at=ISSUED_AT, pool=pool)
    if child is None:
        return rendered.cpu_s
    previous = -1.0
    while (now := spent_s(pid=child.process.pid)) - previous > REST_S:  # garbage is collected after the answer
        previous = now
        time.sleep(0.02)
    return now - before


def row(*, name: str, goal: float, both: list[tuple[float, float]]) -> str:
    """Return a case's line of the table from its pairs (ours, bare), in CPU seconds."""
    low, middle, high = statistics.quantiles([theirs / mine for mine, theirs in both], n=4)
    mine, theirs = (statistics.median(side) * 1000 for side in zip(*both, strict=True))
    figures = f"{middle:.2f} x | {low:.2f} to {high:.2f} | {mine:.0f} / {theirs:.0f} ms | {len(both)}"
    return f"| render: {name} | ≥ {goal} x | {figures} | {'yes' if middle >= goal else 'NO'} |"


def measure(*, pairs: int) -> list[str]:
    """Return the table's rows."""
    pool = renderer_pool.Pool(size=1, limits=ALWAYS_WARM)
    press = renderer.Press(folder=render.BUNDLE)
    rows, seed = [], 1
    with side(role="--bare-worker") as worker:
        for name, (make, goal, share) in CASES.items():
            both = []
            for turn in range(max(3, pairs // share) + 1):
                first, second = (varied(content=make(), seed=seed + place) for place in (0, 1))
                seed += 2
                if turn % 2:
                    theirs, mine = bare(worker=worker, press=press, content=first), ours(pool=pool, content=second)
                else:
                    mine, theirs = ours(pool=pool, content=second), bare(worker=worker, press=press, content=first)
                both.append((mine, theirs))
            rows.append(row(name=name, goal=goal, both=both[1:]))  # the first pair warms both sides
            sys.stderr.write(rows[-1] + "\n")
        assert worker.stdin is not None
        worker.stdin.close()
    pool.close()
    return rows


def memory(*, documents: int) -> str:
    """Return the row of the child's growth over that many receipts, after the first hundred."""
    pool, content = renderer_pool.Pool(size=1, limits=ALWAYS_WARM), pdf_contents.receipt()
    for turn in range(100):
        render.render(content=varied(content=content, seed=turn), issued_at=ISSUED_AT, pool=pool)
    child = pool.places.queue[-1]
    process = psutil.Process(child.process.pid)
    before = process.memory_info().rss
    for turn in range(documents):
        render.render(content=varied(content=content, seed=100 + turn), issued_at=ISSUED_AT, pool=pool)
    grown = (process.memory_info().rss - before) / 1024**2
    pool.close()
    verdict = "yes" if grown <= 5 else "NO"
    return f"| render: memory growth over {documents:,} receipts | ≤ 5 MiB | {grown:.1f} MiB | - | - | 1 | {verdict} |"


def main() -> None:
    """Print the table; `make bench` keeps it."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--pairs", type=int, default=30)
    arguments.add_argument("--memory", type=int, default=2000)
    for role in ("--bare-worker", "--html-worker"):
        arguments.add_argument(role, action="store_true", help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.bare_worker or chosen.html_worker:
        return bare_worker() if chosen.bare_worker else html_worker()
    head = [
        "| what | goal | figure | middle half | ours / bare (CPU, median) | pairs | reached |",
        "|---|---|---|---|---|---|---|",
    ]
    table = head + measure(pairs=chosen.pairs) + ([memory(documents=chosen.memory)] if chosen.memory else [])
    text = "\n".join(table) + "\n"
    sys.stdout.write(text)
    return None


if __name__ == "__main__":
    main()
