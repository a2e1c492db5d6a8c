"""The caller's address is the right-most that is no proxy of ours, whatever else somebody has written before it."""

import ipaddress

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory
from pytest_django import Settings

from audit.models import EventDetail
from config import env
from documents.access import proxies
from tests import cast

TRUSTED = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("", "10.0.0.2"),
        ("203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7", "203.0.113.7"),  # the first was written by the caller
        ("203.0.113.7, 10.0.0.9", "203.0.113.7"),
        ("10.0.0.8, 10.0.0.9", "10.0.0.8"),  # one of our own machines
        ("203.0.113.7, nonsense", "10.0.0.2"),
        ("203.0.113.7:8080", "10.0.0.2"),
        ("2001:db8::7, fd00::1", "2001:db8::7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7 ", "203.0.113.7"),
    ],
)
def test_the_right_most_address_that_is_none_of_ours_is_the_callers(forwarded: str, address: str) -> None:
    assert proxies.caller(peer="10.0.0.2", forwarded=forwarded, trusted=TRUSTED) == address


@pytest.mark.parametrize(
    ("peer", "trusted", "address", "scheme"),
    [
        ("10.0.0.2", TRUSTED, "203.0.113.7", "https"),
        ("198.51.100.9", TRUSTED, "198.51.100.9", "http"),  # a stranger says whatever he likes
        ("10.0.0.2", [], "10.0.0.2", "http"),
    ],
)
def test_only_a_trusted_proxy_is_believed(
    peer: str, trusted: list[proxies.Network], address: str, scheme: str, settings: Settings
) -> None:
    settings.TRUSTED_PROXIES = trusted
    headers = {"x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "https"}
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR=peer)
    proxies.ClientAddress(lambda _request: HttpResponse())(request)
    assert (request.META["REMOTE_ADDR"], request.scheme) == (address, scheme)


@pytest.mark.django_db(databases=["default", "denials"])
def test_the_log_and_the_limits_count_by_the_callers_address(settings: Settings, sofia: cast.Member) -> None:
    settings.TRUSTED_PROXIES = TRUSTED
    for last in range(45):  # more than one address may try
        typed = {"username": f"nobody_{last}", "password": "wrong"}
        browser = Client(headers={"x-forwarded-for": f"203.0.113.{last}"}, REMOTE_ADDR="10.0.0.2")
        assert browser.post("/admin/login/", typed).status_code == 200
    kept = {row.details.get("address") for row in EventDetail.objects.using("denials").all()}
    assert {"203.0.113.0", "203.0.113.44"} <= kept
    assert "10.0.0.2" not in kept


def test_networks_that_are_none_stop_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.4 fd00::/8")
    assert [str(network) for network in env.networks(name="TRUSTED_PROXIES")] == [
        "10.0.0.0/8",
        "192.0.2.4/32",
        "fd00::/8",
    ]
    for wrong in ("10.0.0.1/8", "nginx", "0.0.0.0/0", "10.0.0.0/8;"):
        monkeypatch.setenv("TRUSTED_PROXIES", wrong)
        with pytest.raises(env.Misconfigured, match="TRUSTED_PROXIES"):
            env.networks(name="TRUSTED_PROXIES")
