"""The publisher of tasks: it tells the broker that a row may have work, without ever making its caller wait.

One thread per process publishes from a short queue. A task that is lost here (full queue, dead broker, end of the
process) costs seconds: the sweeper finds the row in PostgreSQL.
"""

import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from celery import Celery
from django.db import connections
from kombu.connection import Connection
from structlog import contextvars

from documents import metrics

log = logging.getLogger(__name__)
WAITING_MAX = 1000


@dataclass(frozen=True, kw_only=True)
class _QueuedTask:
    """A task that waits to be published."""

    app: Celery
    task: str
    arguments: Mapping[str, object]
    context: dict[str, Any]  # of the log: the task is logged with the request that asked for it


class Publisher:
    """A bounded queue and its only publisher; `admits`, `failed` and `succeeded` are the broker's breaker."""

    def __init__(
        self,
        *,
        publish_s: float,
        admits: Callable[[], bool],
        failed: Callable[[BaseException], None],
        succeeded: Callable[[], None],
        outages: tuple[type[BaseException], ...],
    ) -> None:
        self.publish_s, self.outages = publish_s, outages
        self._admits, self._failed, self._succeeded = admits, failed, succeeded
        self._lock = threading.Lock()
        self._queue: queue.Queue[_QueuedTask] = queue.Queue(maxsize=WAITING_MAX)
        self._pid = 0
        self._busy_since: float | None = None
        self._connection: Connection | None = None

    def enqueue(self, *, app: Celery, task: str, arguments: Mapping[str, object]) -> bool:
        """Queue a task for the publisher; False at once where the queue is full or the broker hangs."""
        self._start()
        busy_since = self._busy_since
        hangs = busy_since is not None and time.monotonic() - busy_since > self.publish_s
        if not hangs:
            try:
                context = contextvars.get_contextvars()
                self._queue.put_nowait(_QueuedTask(app=app, task=task, arguments=arguments, context=context))
            except queue.Full:
                hangs = True
            else:
                return True
        metrics.ENQUEUE_SKIPPED.labels(task=task).inc()
        return False

    def drain(self, *, timeout_s: float) -> bool:
        """Wait until everything queued was tried; False where the time was too short."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if self._queue.unfinished_tasks == 0:
                return True
            time.sleep(0.01)
        return False

    def _start(self) -> None:
        """Start the publisher once per process: a fork inherits neither thread nor socket."""
        with self._lock:
            if self._pid == os.getpid():
                return
            self._pid, self._busy_since, self._connection = os.getpid(), None, None
            self._queue = queue.Queue(maxsize=WAITING_MAX)
            threading.Thread(target=self._publish_all, name="publisher", daemon=True).start()

    def _publish_all(self) -> None:
        waiting = self._queue
        while True:
            queued = waiting.get()
            try:
                with contextvars.bound_contextvars(**queued.context):
                    self._publish(queued=queued)
            except Exception:  # the publisher must outlive every defect of a single task
                log.exception("publisher.defect", extra={"task": queued.task})
            finally:
                self._busy_since = None
                waiting.task_done()
                if waiting.empty():
                    connections.close_all()  # the breaker's alert may have opened one in this thread

    def _publish(self, *, queued: _QueuedTask) -> None:
        if not self._admits():
            metrics.ENQUEUE_SKIPPED.labels(task=queued.task).inc()
            return
        self._busy_since = time.monotonic()
        try:
            queued.app.send_task(
                queued.task,
                kwargs=dict(queued.arguments),
                connection=self._connect(app=queued.app),
                retry=False,
                ignore_result=True,
            )
        except self.outages as cause:
            self._drop()
            metrics.ENQUEUE_SKIPPED.labels(task=queued.task).inc()
            self._failed(cause)
        else:
            self._succeeded()

    def _connect(self, *, app: Celery) -> Connection:
        """Return the publisher's own connection: short timeouts, no retries of the library's."""
        if self._connection is None:
            connection: Any = app.connection_for_write(connect_timeout=1)
            connection.transport_options = {
                **(connection.transport_options or {}),
                "socket_connect_timeout": 1,
                "socket_timeout": 1,
                "retry_on_timeout": False,
                "max_retries": 0,
            }
            self._connection = connection
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()
