"""A start with a wrong environment stops, names the variable and says the mend."""

import pytest

from config import env

GOOD = {
    "ENVIRONMENT": "production",
    "DATABASE_URL": "postgresql://app:word@db.example/billing",
    "DATABASE_OWNER_URL": "postgresql://owner:word@db.example/billing",
    "REDIS_URL": "redis://broker.example",
    "VAULT_URL": "s3://bucket?endpoint=https://s3.example",
    "MAIL_URL": "smtp://user:word@mail.example:587?tls=1",
    "PUBLIC_URL": "https://documents.example",
    "ALERT_URL": "https://alerts.example/api/v2/alerts",
    "SECRET_KEY": "a" * 48,
    "LINK_KEY": "b" * 48,
    "AUDIT_KEY": "c" * 48,
    **{f"WEBHOOK_SECRET_{service.upper()}": "whsec_" + "d" * 32 for service in env.SERVICES},
}
BAD = [
    *((name, "") for name in GOOD if name not in {"ENVIRONMENT", "SECRET_KEY", "LINK_KEY", "AUDIT_KEY"}),
    ("VAULT_URL", "file:///var/vault"),
    ("MAIL_URL", "file:///var/mail"),
    ("PUBLIC_URL", "http://documents.example"),
    ("WEBHOOK_SECRET_ORDERS", "whsec_short"),
    ("WEBHOOK_SECRET_ORDERS", "d" * 48),
]


@pytest.fixture(autouse=True)
def production(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


def test_production_starts_with_everything_it_needs() -> None:
    env.refuse_unsafe_production()


@pytest.mark.parametrize(("name", "value"), BAD)
def test_production_never_starts_without_a_real_part(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(env.Misconfigured, match=name):
        env.refuse_unsafe_production()


@pytest.mark.parametrize("value", ["", "the public default", "short"])
def test_production_never_signs_with_a_secret_that_others_know(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINK_KEY", value)
    with pytest.raises(env.Misconfigured, match="LINK_KEY"):
        env.secret(name="LINK_KEY", demo="the public default")


@pytest.mark.parametrize("value", ["-1", "1.5", "ten", "0", "²", "9" * 5000, "1000000001"])
def test_a_number_that_is_none_is_not_guessed(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEASE_S", value)
    with pytest.raises(env.Misconfigured, match="LEASE_S"):
        env.number(name="LEASE_S", default=200, least=1)


@pytest.mark.parametrize(
    "value",
    [
        "mysql://db/billing",
        "postgresql://db",
        "billing",
        "postgresql://[db/billing",
        "postgresql://db:x/billing",
        "postgresql://db:99999/billing",
    ],
)
def test_a_database_that_is_not_postgresql_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", value)
    with pytest.raises(env.Misconfigured, match="DATABASE_URL"):
        env.database(name="DATABASE_URL")


@pytest.mark.parametrize("url", ["smtp://[mail", "smtp://mail:x", "smtp://mail:99999", "https://mail"])
def test_a_mail_server_that_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(env.Misconfigured, match="MAIL_URL"):
        env.mail(url=url)


def test_a_password_with_reserved_characters_arrives_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app:p%40ss%2Fw%3Ard@db.example:6432/billing")
    database = env.database(name="DATABASE_URL")
    assert (database["USER"], database["PASSWORD"], database["PORT"]) == ("app", "p@ss/w:rd", "6432")


def test_an_unknown_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "prod")
    with pytest.raises(env.Misconfigured, match="production"):
        env.environment()
