"""A start says what lacks before the web server."""

import warnings

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils.module_loading import import_string

from config import front


@pytest.mark.parametrize(
    ("proxies", "address", "lacks"),
    [
        ("10.0.0.2", "10.0.0.3:8000", []),
        ("10.0.0.2", "127.0.0.1:8000", []),
        ("10.0.0.2", "unix:/run/web.sock", []),
        ("10.0.0.2", "fd://3", []),
        ("10.0.0.2", "0.0.0.0:8000", ["front.open"]),
        ("10.0.0.2", "[::]:8000", ["front.open"]),
        ("10.0.0.2", "8.8.8.8:8000", ["front.open"]),
        ("", "127.0.0.1:8000", ["front.missing"]),
        ("", "0.0.0.0:8000", ["front.missing", "front.open"]),
    ],
)
def test_production_says_what_lacks(
    proxies: str, address: str, lacks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("TRUSTED_PROXIES", proxies)
    assert [line.partition(":")[0].split()[0] for line in front.lacking(addresses=[address])] == lacks


def test_elsewhere_nothing_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "demo")
    monkeypatch.delenv("TRUSTED_PROXIES", raising=False)
    assert list(front.lacking(addresses=["0.0.0.0:8000"])) == []


def test_static_files_are_served_from_where_they_lie_and_no_folder_is_missed_at_the_start() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        files = import_string("whitenoise.middleware.WhiteNoiseMiddleware")(lambda _request: HttpResponse(status=404))
    assert files(RequestFactory().get("/static/dc/dc.css")).status_code == 200
