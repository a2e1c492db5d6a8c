"""Enqueue a task for a worker. A task that is lost loses nothing: the sweeper finds its row."""

import time

from celery import current_app

from documents.resilience import calls, dependencies, publisher
from documents.task_names import TaskName

_publisher = publisher.Publisher(
    publish_s=dependencies.DEPENDENCIES["redis"].total_s,
    admits=lambda: calls.BREAKERS["redis"].admits(now=time.monotonic()),
    failed=lambda cause: calls.note_failure(dependency="redis", cause=cause),
    succeeded=lambda: calls.note_success(dependency="redis"),
    outages=calls.FAILURES,
)


def enqueue(*, task: TaskName, **arguments: object) -> bool:
    """Ask the broker for a task with its arguments: never waits for the broker, never raises.

    False where the task was not queued (queue full, broker hangs). True promises nothing: the sweeper is the guarantee.
    """
    app = current_app._get_current_object()
    return _publisher.enqueue(app=app, task=task, arguments=arguments)
