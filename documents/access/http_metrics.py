"""Requests and answers, counted by django-prometheus: by the view's name, never by an address, which may be a secret.

Of the library's families those are kept that the dashboard or a rule reads; each other one would cost every request its
time and say nothing.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Protocol, Self

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django_prometheus import middleware
from django_prometheus.utils import Time, TimeSince

from documents import errors

KEPT = frozenset(
    {
        "django_http_requests_latency_seconds_by_view_method",
        "django_http_responses_total_by_status_view_method",
        "django_http_exceptions_total_by_type",
        "django_http_exceptions_total_by_view",
    }
)
BEGAN = "prometheus_after_middleware_event"  # where the library notes it
ANSWERED = (errors.Problem, Http404, PermissionDenied)  # exceptions that are answers


class HttpFamily(Protocol):
    """What is used of a counter or a histogram."""

    def labels(self, **labels: str) -> "HttpFamily":
        """Return one series."""

    def inc(self) -> None:
        """Count one."""

    def observe(self, _amount: float) -> None:
        """Count an amount."""


class UnkeptFamily:
    """A family that counts nothing."""

    def labels(self, **_labels: str) -> Self:
        """Return what counts nothing."""
        return self

    def inc(self) -> None:
        """Count nothing."""

    def observe(self, _amount: float) -> None:
        """Observe nothing."""


class HttpFamilies(middleware.Metrics):
    """The families that are kept."""

    def register_metric(
        self,
        metric_cls: Callable[..., HttpFamily],
        name: str,
        documentation: str,
        labelnames: Sequence[str] = (),
        **options: object,
    ) -> HttpFamily:
        """Make a family of the library, or what counts nothing in its place."""
        return metric_cls(name, documentation, labelnames, **options) if name in KEPT else UnkeptFamily()

    def register(self) -> None:
        """Make them; the failure that a rule watches is born at 0."""
        super().register()
        self.responses_by_status_view_method.labels(status="500", view="<unnamed view>", method="GET")


@functools.cache
def _series(*, family: HttpFamily, labels: tuple[tuple[str, str], ...]) -> HttpFamily:
    """Return one series, looked up once: there are no more of them than views, methods and statuses."""
    return family.labels(**dict(labels))


class CountedViews(middleware.PrometheusAfterMiddleware):
    """Middleware: what was answered, by view, method and status, and how long it took."""

    metrics_cls = HttpFamilies

    def process_request(self, request: HttpRequest) -> None:
        """Note when it began."""
        request.__dict__[BEGAN] = Time()

    def process_view(self, _request: HttpRequest, *_view: object, **_named: object) -> None:
        """Count nothing: the answer says which view it was."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Count an answer and how long it took: what is kept of all that the library's own would look up."""
        view, method = self._get_view_name(request), self._method(request)
        answers, times = self.metrics.responses_by_status_view_method, self.metrics.requests_latency_by_view_method
        labels = (("view", view), ("method", method))
        _series(family=answers, labels=(("status", str(response.status_code)), *labels)).inc()
        if began := request.__dict__.get(BEGAN):
            _series(family=times, labels=labels).observe(TimeSince(began))
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """Count a defect; what is answered with a problem is none, and its time is counted with its answer."""
        if isinstance(exception, ANSWERED):
            return
        self.label_metric(self.metrics.exceptions_by_type, request, type=type(exception).__name__).inc()
        self.label_metric(self.metrics.exceptions_by_view, request, view=self._get_view_name(request)).inc()
