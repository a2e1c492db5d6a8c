"""The web server's settings, its master's log among them: `gunicorn --config python:config.gunicorn`."""

import importlib
from typing import Any

from config import env, logs

wsgi_app = "config.wsgi"
worker_class, workers, threads = "gthread", 2, 8
timeout, graceful_timeout = 60, 5
logconfig_dict = logs.settings(level=env.log_level())
_LOOKOUT = "documents.operations.lookout"  # a model's module: imported once there are settings


_running: list[Any] = []  # of this process


def post_worker_init(_worker: object) -> None:
    """Let a web process look after the workers, and say that it is alive itself."""
    lookout = importlib.import_module(_LOOKOUT).Lookout()
    lookout.start()
    _running.append(lookout)


def worker_exit(_server: object, _worker: object) -> None:
    """End in order: nobody calls this process silent."""
    while _running:
        _running.pop().end()
