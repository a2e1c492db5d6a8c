"""The door for events, asked in this process by a thread whose PostgreSQL is nowhere."""

import concurrent.futures
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection, connections
from django.test import RequestFactory

from config.drills import aside
from config.simulation import sender


def without_database(*, event: Mapping[str, Any], secret: str) -> tuple[int, str]:
    """Post an event to the door, and return the status and the Retry-After of its answer."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(_posted, event=event, secret=secret).result()


def _posted(*, event: Mapping[str, Any], secret: str) -> tuple[int, str]:
    """Post it by a connection of this thread's own, which leads nowhere."""
    connection.settings_dict = {**connection.settings_dict, "HOST": aside.HOST, "PORT": str(aside.PORT)}
    body, base = json.dumps(event).encode(), urlsplit(settings.PUBLIC_URL)
    given: dict[str, Any] = {"SERVER_NAME": base.hostname or aside.HOST, "SERVER_PORT": str(base.port or 443)}
    request = RequestFactory(**given).generic(
        "POST",
        sender.PATH,
        body,
        content_type="application/json",
        secure=base.scheme == "https",
        headers=sender.headers(body=body, secret=secret),
    )
    try:
        answer = WSGIHandler().get_response(request)
        return answer.status_code, answer.headers.get("Retry-After", "")
    finally:
        connections.close_all()
