"""Enqueue a task: tell a worker that there is work; losing the message loses nothing."""

import time
from collections.abc import Sequence

from celery import current_app

# `alerts` sends through `call`, `call` opens alerts: each uses the other at run time only.
from documents.resilience import calls, dependencies
from documents.resilience.publisher import Publisher

_publisher = Publisher(
    publish_s=dependencies.DEPENDENCIES["redis"].total_s,
    admits=lambda: calls.BREAKERS["redis"].admits(now=time.monotonic()),
    failed=lambda cause: calls.note_failure(dependency="redis", cause=cause),
    succeeded=lambda: calls.note_success(dependency="redis"),
    outages=calls.FAILURES,
)


def enqueue(*, task: str, args: Sequence[object] = ()) -> bool:
    """Ask the broker for a task by its name: never waits for the broker, never raises.

    False when nobody was asked (breaker open, queue full); True promises nothing either: the sweeper is the guarantee.
    """
    app = current_app._get_current_object()
    return _publisher.enqueue(app=app, task=task, args=tuple(args))
