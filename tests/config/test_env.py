"""A start with a wrong environment stops, names the variable and says the mend."""

import pytest

from config import env
from documents.vault import address

GOOD = {
    "ENVIRONMENT": "production",
    "DATABASE_URL": "postgresql://app:word@db.example/billing",
    "DATABASE_OWNER_URL": "postgresql://owner:word@db.example/billing",
    "REDIS_URL": "redis://broker.example",
    "VAULT_URL": "s3://bucket?endpoint=https://s3.example",
    "AWS_ACCESS_KEY_ID": "vault",
    "AWS_SECRET_ACCESS_KEY": "e" * 40,
    "MAIL_URL": "smtp://user:word@mail.example:587?tls=1",
    "PUBLIC_URL": "https://documents.example",
    "ALERT_URL": "https://alerts.example/api/v2/alerts",
    "SECRET_KEY": "a" * 48,
    "LINK_KEY": "b" * 48,
    "AUDIT_KEY": "c" * 48,
    "API_KEY_PEPPER": "f" * 48,
    **{f"WEBHOOK_SECRET_{service.upper()}": "whsec_" + "d" * 32 for service in env.SERVICES},
}
BAD = [
    *((name, "") for name in GOOD if name not in {"ENVIRONMENT", *env.SECRETS}),
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


def test_production_says_at_once_all_that_is_missing_each_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [name for name in GOOD if name not in {"ENVIRONMENT", *env.VAULT_KEYS}]  # VAULT_URL's mend names its keys
    for name in names:
        monkeypatch.delenv(name)
    with pytest.raises(env.Misconfigured) as raised:
        env.refuse_unsafe_production()
    lines = str(raised.value).splitlines()
    assert sorted(line.split(": ")[1] for line in lines) == sorted(names)
    assert all(line.startswith("billing-docs: ") and line.split(": ", 2)[2] for line in lines)


def test_production_says_at_once_all_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "DATABASE_URL": "mysql://app@db.example/billing",
        "DATABASE_OWNER_URL": "postgresql://db.example",
        "VAULT_URL": "s3://Vault?endpoint=https://s3.example",
        "MAIL_URL": "smtp://",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(env.Misconfigured) as raised:
        env.refuse_unsafe_production()
    assert [line.split(": ")[1] for line in str(raised.value).splitlines()] == list(wrong)


@pytest.mark.parametrize("name", env.VAULT_KEYS)
def test_production_never_starts_without_the_keys_of_its_vault(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(env.Misconfigured, match=name):
        env.refuse_unsafe_production()


@pytest.mark.parametrize("source", env.VAULT_KEY_SOURCES)
def test_the_keys_of_a_vault_may_come_from_where_botocore_finds_them(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in env.VAULT_KEYS:
        monkeypatch.delenv(name)
    monkeypatch.setenv(source, "vault")
    env.refuse_unsafe_production()


def test_the_keys_of_awss_own_vault_may_come_from_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in env.VAULT_KEYS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VAULT_URL", "s3://bucket?region=eu-south-2")
    env.refuse_unsafe_production()


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3://vault",  # meant for another store, it would go to AWS
        "s3://Vault?endpoint=https://s3.example",
        "s3://vault/folder?endpoint=https://s3.example",
        "s3://127.0.0.1?endpoint=https://s3.example",
        "s3://key:secret@vault?endpoint=https://s3.example",
        "s3://vault?endpoint=s3.example",
        "s3://vault?endpoint=https://s3.example/path",
        "s3://vault?endpoint=https://s3.example:port",
        "s3://vault?endpoint=https://s3.example&endpont=x",
        "s3://vault?endpoint=https://s3.example&region=",
        "https://s3.example/vault",
        "file:relative",
        "file://elsewhere/vault",
    ],
)
def test_an_address_of_which_no_vault_can_be_opened_stops_the_start(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_URL", url)
    with pytest.raises(env.Misconfigured, match="VAULT_URL: use "):
        env.vault(default="")


@pytest.mark.parametrize(
    ("url", "endpoint", "region"),
    [
        ("s3://vault?endpoint=https://s3.example&region=eu-west-1", "https://s3.example", "eu-west-1"),
        ("s3://vault?endpoint=http://127.0.0.1:8333/", "http://127.0.0.1:8333", "us-east-1"),
        ("s3://vault?region=eu-south-2", "", "eu-south-2"),
    ],
)
def test_a_bucket_is_read_from_its_address(url: str, endpoint: str, region: str) -> None:
    assert address.bucket(url=url) == address.Bucket(name="vault", endpoint=endpoint, region=region)


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
