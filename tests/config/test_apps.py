"""What every process of the product does once, before anything else."""

import datetime as dt
import os
import pathlib
import subprocess
import sys

from config import env
from documents.rendering import render
from tests.documents import pdf_contents

# Eight threads of a web process draw pages of many widths; what they leave behind, in bytes.
PREVIEWS = """
import pathlib, sys, threading
import django, psutil
django.setup()
from documents.rendering import render
pdf = pathlib.Path(sys.argv[1]).read_bytes()
together = threading.Barrier(8)
def draw(number):
    for turn in range(2):
        together.wait()
        render.preview(pdf=pdf, page=1, width=840 + turn * 97 + number * 31)
    together.wait()
render.preview(pdf=pdf, page=1, width=840)
before = psutil.Process().memory_info().rss
threads = [threading.Thread(target=draw, args=[number]) for number in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(psutil.Process().memory_info().rss - before)
"""


def test_bitmaps_do_not_stay_in_the_memory_of_each_thread_that_has_drawn_one(tmp_path: pathlib.Path) -> None:
    made = render.render(content=pdf_contents.payout(rows=60), issued_at=dt.datetime(2026, 2, 24, tzinfo=dt.UTC))
    (tmp_path / "long.pdf").write_bytes(made.pdf)
    command = [sys.executable, "-c", PREVIEWS, str(tmp_path / "long.pdf")]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "PYTHONPATH": str(env.BASE_DIR)}
    grown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert int(grown) < 40 * 1024**2
