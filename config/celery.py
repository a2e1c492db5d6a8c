"""The Celery application. A task only says that there is work; the work itself stands in PostgreSQL.

Times are those of the row `redis` of `resilience.dependencies`: 1 s to connect, 2 s in all. A worker tries to reach its
broker for ever; a publisher gives up at once, because the sweeper finds in PostgreSQL what was never published.
"""

import functools
from typing import Any

from celery import Celery, Task
from celery.fixups.django import DjangoFixup, DjangoWorkerFixup
from celery.signals import setup_logging
from django.db import close_old_connections
from django_structlog.celery.signals import bind_extra_task_metadata
from django_structlog.celery.steps import DjangoStructLogInitStep
from kombu import Queue
from kombu.connection import Connection
from structlog import contextvars

from config import env
from documents.operations.sweeper import Poller
from documents.task_names import TaskName

CONNECT_S, SOCKET_S, PUBLISH_S = 1.0, 2.0, 0.8
# Longer than the renderer's own limit; a task that takes longer is ended, by an exception first.
SOFT_LIMIT_S, HARD_LIMIT_S = 210, 240
PAGES, PAYOUTS, FACTS = "celery", "payouts", "facts"

env.put(name="DJANGO_SETTINGS_MODULE", value=env.text(name="DJANGO_SETTINGS_MODULE", default="config.settings"))


class OpenConnections(DjangoWorkerFixup):
    """Leave a thread's connections open from task to task, as Django does from request to request (CONN_MAX_AGE).

    Celery's own closes them around each task, which costs more than two sessions of PostgreSQL a document.
    """

    def on_task_prerun(self, sender: Task, **_: Any) -> None:
        """Close what is too old or has failed; what is left is asked whether it still answers when it is used."""
        if not sender.request.is_eager:
            close_old_connections()

    def on_task_postrun(self, sender: Task, **_: Any) -> None:
        """Do the same, so that a failed connection does not stay open until the next task."""
        if not sender.request.is_eager:
            close_old_connections()
            self.close_cache()


class Fixup(DjangoFixup):
    """What makes Celery and Django go together, with the connections left open."""

    @functools.cached_property
    def worker_fixup(self) -> OpenConnections:
        """Return the worker's part, made when first asked for: the application has no settings before."""
        return OpenConnections(self.app)


def _fixup(app: Celery) -> DjangoFixup:
    return Fixup(app).install()


class Application(Celery):
    """Celery whose publisher gives up after PUBLISH_S: half of it to connect, half for the answer."""

    builtin_fixups = frozenset({_fixup})

    def connection_for_write(self, *arguments: Any, **options: Any) -> Connection:
        """Return a connection with the publisher's timeouts."""
        options["transport_options"] = {
            "socket_connect_timeout": PUBLISH_S / 2,
            "socket_timeout": PUBLISH_S / 2,
            **(options.get("transport_options") or {}),
        }
        connection: Connection = super().connection_for_write(*arguments, **options)
        return connection


app = Application("billing-docs")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    accept_content=["json"],
    task_serializer="json",
    result_serializer="json",
    task_ignore_result=True,
    result_backend=None,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_soft_time_limit=SOFT_LIMIT_S,
    task_time_limit=HARD_LIMIT_S,
    task_publish_retry=False,
    # A worker takes from its queues in turn. Resuming an event takes milliseconds, rendering a document a second:
    # events are resumed, and a few payouts are locked, while thousands of statements wait.
    task_queues=(Queue(PAGES), Queue(PAYOUTS), Queue(FACTS)),
    task_default_queue=PAGES,
    task_routes={
        TaskName.RESUME: {"queue": FACTS},
        TaskName.ISSUE_HELD: {"queue": FACTS},
        TaskName.ADVANCE_PAYOUT: {"queue": PAYOUTS},
    },
    worker_prefetch_multiplier=1,
    broker_transport_options={
        "socket_connect_timeout": CONNECT_S,
        "socket_timeout": SOCKET_S,
        "socket_keepalive": True,
        "retry_on_timeout": False,
        "max_retries": 0,
    },
    broker_connection_timeout=CONNECT_S,
    broker_connection_retry=True,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    beat_scheduler="celery.beat:Scheduler",  # in memory: what is due is in PostgreSQL, and no file is left behind
    timezone="UTC",
    enable_utc=True,
)
app.autodiscover_tasks()
app.steps["worker"].add(Poller)
app.steps["worker"].add(DjangoStructLogInitStep)


def leave_logging(**_options: object) -> None:
    """Do nothing: Celery sets no logging up where somebody listens here, and `config.logs` has done so."""


setup_logging.connect(leave_logging)


def bind_task(*, task: Task, **_options: object) -> None:
    """Bind a task's name to every line that is logged until its end."""
    contextvars.bind_contextvars(task=task.name)


bind_extra_task_metadata.connect(bind_task)
