"""The web server's settings, its master's log among them: `gunicorn --config python:config.gunicorn`."""

import importlib
import logging
from typing import Any, Protocol

from config import env, front, logs

wsgi_app = "config.wsgi"
bind = env.web_bind(name="WEB_BIND")
worker_class = "gthread"
workers = env.number(name="WEB_WORKERS")
threads = env.number(name="WEB_THREADS")
timeout, graceful_timeout = 60, 5
control_socket_disable = True  # nobody uses it, and the service's user has no home for it
logconfig_dict = logs.settings(level=env.log_level(name="LOG_LEVEL"))
_LOOKOUT = "documents.operations.lookout"  # a model's module: imported once there are settings


_running: list[Any] = []  # of this process


class Listening(Protocol):
    """What a hook uses of gunicorn's master."""

    address: list[object]
    log: logging.Logger


def when_ready(server: Listening) -> None:
    """Say in the log what lacks before the web server: gunicorn's hook, called once it listens."""
    for lack in front.lacking(addresses=[str(address) for address in server.address]):
        server.log.warning(lack)


def on_starting(_server: object) -> None:
    """Clear away what processes of this host have counted that are all dead."""
    settings = importlib.import_module("config.settings")
    if settings.METRICS_FOLDER:
        importlib.import_module("documents.metrics").clear(folder=settings.METRICS_FOLDER)


def post_worker_init(_worker: object) -> None:
    """Let a web process look after the workers, and say that it is alive itself."""
    lookout = importlib.import_module(_LOOKOUT).Lookout()
    lookout.start()
    _running.append(lookout)


def worker_exit(_server: object, _worker: object) -> None:
    """End in order: nobody calls this process silent."""
    while _running:
        _running.pop().end()
