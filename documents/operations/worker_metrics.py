"""The `/metrics` of a host that has workers and no web server: what its processes have counted.

It listens where METRICS_BIND says. The gauges of the tables are the same everywhere: the web server's page has them.
"""

import logging
import threading
from collections.abc import Iterable
from http import HTTPStatus
from wsgiref import simple_server
from wsgiref.types import StartResponse, WSGIEnvironment

from django.conf import settings
from django.http import HttpRequest
from prometheus_client.exposition import ThreadingWSGIServer

from documents import metrics
from documents.operations import health

logger = logging.getLogger(__name__)


class QuietScrape(simple_server.WSGIRequestHandler):
    """One request of Prometheus: no news for the log."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing."""


def start() -> ThreadingWSGIServer | None:
    """Clear away what dead processes have counted, and answer on METRICS_BIND from now on; None where it is not set."""
    if settings.METRICS_FOLDER:
        metrics.clear(folder=settings.METRICS_FOLDER)
    if not settings.METRICS_BIND:
        return None
    host, _, port = settings.METRICS_BIND.rpartition(":")
    server = simple_server.make_server(host, int(port), page, ThreadingWSGIServer, QuietScrape)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    logger.info("metrics.served")
    return server


def page(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer `/metrics` to who may see it."""
    request = HttpRequest()
    request.META = environ
    if environ.get("PATH_INFO") != "/metrics":
        return _said(start_response=start_response, status=HTTPStatus.NOT_FOUND)
    if not health.may_see(request=request):
        return _said(start_response=start_response, status=HTTPStatus.UNAUTHORIZED)
    return _said(
        start_response=start_response, status=HTTPStatus.OK, body=metrics.exposition(folder=settings.METRICS_FOLDER)
    )


def _said(*, start_response: StartResponse, status: HTTPStatus, body: bytes = b"") -> Iterable[bytes]:
    headers = [("Content-Type", metrics.CONTENT_TYPE), ("Content-Length", str(len(body)))]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]
