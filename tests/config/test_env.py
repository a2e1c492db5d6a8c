"""A start with a wrong environment stops, names the variable and says the mend."""

import base64
import hashlib
import sys

import pytest

from config import env, production, variables
from documents.vault import address


def drawn(name: str) -> str:
    """A secret of 32 bytes in base64, another one for each name."""
    return base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()


OWNER = "postgresql://owner:word@db.example/billing?sslmode=verify-full"
GOOD = {
    "ENVIRONMENT": "production",
    "DATABASE_URL": "postgresql://app:word@db.example/billing?sslmode=verify-full",
    "REDIS_URL": "redis://broker.example",
    "VAULT_URL": "s3://bucket?endpoint=https://s3.example",
    "AWS_ACCESS_KEY_ID": "vault",
    "AWS_SECRET_ACCESS_KEY": "e" * 40,
    "MAIL_URL": "smtp://user:word@mail.example:587?tls=1",
    "PUBLIC_URL": "https://documents.example",
    "ALERT_URL": "https://alerts.example/api/v2/alerts",
    "MAIL_FROM": "Aventide <documents@aventide.com>",
    **{name: drawn(name) for name in production.SECRETS},
    **{f"WEBHOOK_SECRET_{service.upper()}": f"whsec_{drawn(service)}" for service in env.SERVICES},
}
BAD = [
    *((name, "") for name in GOOD if name not in {"ENVIRONMENT", *production.SECRETS}),
    ("VAULT_URL", "file:///var/vault"),
    ("MAIL_URL", "file:///var/mail"),
    ("PUBLIC_URL", "http://documents.example"),
    ("WEBHOOK_SECRET_ORDERS", "whsec_short"),
    ("WEBHOOK_SECRET_ORDERS", "d" * 48),
    ("WEBHOOK_SECRET_ORDERS", "whsec_!!!!"),
    ("WEBHOOK_SECRET_ORDERS", "whsec_" + "!" * 40),
    ("WEBHOOK_SECRET_ORDERS", "whsec_" + "d" * 32),
    ("WEBHOOK_SECRET_ORDERS", GOOD["WEBHOOK_SECRET_PAYMENTS"]),
    ("WEBHOOK_SECRET_ORDERS", f"{GOOD['WEBHOOK_SECRET_ORDERS']} {GOOD['WEBHOOK_SECRET_PAYMENTS']}"),
    ("SECRET_KEY", "a" * 48),
    ("SECRET_KEY", "changeme" * 8),
    ("LINK_KEY", GOOD["SECRET_KEY"]),
    ("LINK_KEY_FORMER", "a" * 48),
    ("LINK_KEY_FORMER", GOOD["LINK_KEY"]),
    ("SECRET_KEY_FALLBACKS", f"{drawn('before')} {GOOD['AUDIT_KEY']}"),
    ("API_KEY_PEPPER_FORMER", "short"),
    ("DATABASE_OWNER_URL", OWNER),
    ("ALLOWED_HOSTS", "*"),
    ("ALLOWED_HOSTS", "documents.example .example *"),
    ("REDIS_URL", "broker.example:6379"),
    ("REDIS_URL", "redis://"),
    ("REDIS_URL", "redis://broker.example:port"),
    ("ALERT_URL", "alerts.example"),
    ("ALERT_URL", "https://"),
    ("ALERT_URL", "mailto:nobody"),
    ("VAULT_URL", "s3://bucket?endpoint=http://s3.example"),
    ("VAULT_URL", "s3://bucket?endpoint=http://10.0.0.4:8333"),
    ("VAULT_FORMER_URL", "s3://bucket?endpoint=http://s3.example"),
    ("VAULT_CANARY_URL", "s3://bucket?endpoint=http://s3.example"),
    ("MAIL_URL", "smtp://user:word@mail.example:25"),
    ("MAIL_URL", "smtp://user:word@mail.example:587?tls=0"),
    ("MAIL_FROM", "Aventide Documentos <documentos@aventide.example>"),
    ("MAIL_FROM", "nobody"),
    ("DATABASE_URL", "postgresql://app:word@db.example/billing"),
    ("DATABASE_URL", "postgresql://app:word@db.example/billing?sslmode=prefer"),
    ("DATABASE_URL", "postgresql://app:word@127.0.0.1,db.example/billing"),
    ("DATABASE_URL", "postgresql://app:word@/billing?hostaddr=192.0.2.7"),
    ("DATABASE_URL", "postgresql://app:word@db.example/billing?sslmode=sometimes&nonsense=1"),
    ("DATABASE_URL", f"postgresql://app:word@db.example:{'9' * 5000}/billing"),
    ("METRICS_BIND", f"10.0.0.5:{'9' * 5000}"),
    ("DATABASE_URL", "postgresql://app:word@db.example/billing?options=-c%20search_path%3Dother"),
]
# What looks like a value and is none: it was found out at the first use, or never.
BAD += [
    ("PUBLIC_URL", "https://x.com:0"),
    ("PUBLIC_URL", "https://user:word@x.com"),
    ("PUBLIC_URL", "https://x.com/path"),
    ("PUBLIC_URL", "https://x.com?q=1"),
    ("PUBLIC_URL", "https://x.com#f"),
    ("PUBLIC_URL", "https://x.com\nhttps://y.com"),
    ("PUBLIC_URL", "https://x .com"),
    ("PUBLIC_URL", "https://*.x.com"),
    ("PUBLIC_URL", "https://x%2ecom"),
    ("DATABASE_URL", "postgresql://u:word@h:0/db"),
    ("DATABASE_URL", "postgresql://u:word@h/db?sslmode=banana"),
    ("DATABASE_URL", "postgresql://u:word@h/db?connect_timeout=abc"),
    ("DATABASE_URL", "postgresql://u:word@h/db?target_session_attrs=banana"),
    ("DATABASE_URL", "postgresql://u:word@h,h2:1,h3/db?port=1,2,3,4,5"),
    ("DATABASE_URL", "postgresql://u:word@h/db?keepalives_idle=abc"),
    ("REDIS_URL", "redis://h:0/0"),
    ("REDIS_URL", "redis://h/abc"),
    ("REDIS_URL", "redis://h/-1"),
    ("REDIS_URL", "redis://h/0/1"),
    ("REDIS_URL", "redis://h/999999999999999999999999"),
    ("REDIS_URL", "REDIS://:word@h:6379/0"),
    ("REDIS_URL", "redis://h/0?foo=bar"),
    ("REDIS_URL", "redis://h/0?socket_timeout=abc"),
    ("VAULT_URL", "s3://billing-docs?endpoint=https://s3.example.com:0&region=x"),
    ("VAULT_FORMER_URL", "//[x"),
    ("VAULT_CANARY_URL", "garbage"),
    ("VAULT_CANARY_URL", "//[x"),
    ("VAULT_CANARY_URL", "S3://canary-docs?endpoint=https://s3.example.com"),
    ("VAULT_CANARY_URL", "file:///tmp/x"),
    ("VAULT_CANARY_URL", "s3://bucket?endpoint=https://s3.example"),
    ("MAIL_URL", "smtp://mail.example.com?notls=1"),
    ("MAIL_URL", "smtp://mail.example.com?tls=10"),
    ("MAIL_URL", "smtps://mail.example.com:0"),
    ("MAIL_URL", "smtps://u:S3\udcffCRETPW@h"),
    ("MAIL_URL", "smtps://u:word%@h:465/x?y=z"),
    ("MAIL_URL", "smtps://mail .example.com"),
    ("MAIL_FROM", "Documents <documents@example.com> extra"),
    ("MAIL_FROM", "a@b.com, c@d.com"),
    ("MAIL_FROM", "Doc <a b@host.com>"),
    ("MAIL_FROM", "Doc <a@host.com>\nBcc: x@y.com"),
    ("MAIL_FROM", "Doc <a@host..com>"),
    ("MAIL_FROM", "Doc <a@.com>"),
    ("MAIL_FROM", "Doc <a@host.com.>"),
    ("ALERT_URL", "mailto:@"),
    ("ALERT_URL", "mailto:a@"),
    ("ALERT_URL", "mailto:@b.com"),
    ("ALERT_URL", "mailto:a@b.com,c@d.com"),
    ("ALERT_URL", "mailto:a%0aBcc:x@b.com"),
    ("ALERT_URL", "https://h:0/x"),
    ("ALERT_URL", "https://h/x y"),
    ("LINK_KEY", "demo-only-secret-key-that-production-refuses"),
    ("SECRET_KEY", "pQ7vX2mK9sL4tB8nC1dF6gH3jW5zR0yU\udcff"),
    ("METRICS_TOKEN", "téken-with-accents-pQ7vX2mK9sL4tB8nC1dF6"),
    ("TRUSTED_PROXIES", "0.0.0.0/1,128.0.0.0/1"),
    ("TRUSTED_PROXIES", "::ffff:0:0/96"),
    ("INNER_NETWORKS", "::/1 8000::/1"),
    ("ALLOWED_HOSTS", "https://documents.example.com"),
    ("ALLOWED_HOSTS", "documents.example.com:443"),
    ("ALLOWED_HOSTS", "other.example.com"),
    ("ALLOWED_HOSTS", '"documents.example.com"'),
    ("METRICS_BIND", "::1:9464"),
    ("METRICS_BIND", "host name:9464"),
    ("METRICS_BIND", "10.0.0.5:0"),
    ("WEB_BIND", "nonsense"),
    ("WEB_BIND", "127.0.0.1:99999"),
    ("WEB_BIND", "127.0.0.1"),
    ("WEB_WORKERS", "1000000000"),
    ("WEB_THREADS", "1000000000"),
    ("LEASE_S", "1000000000"),
    ("SWEEP_EVERY_S", "1000000000"),
    ("AUDIT_DETAILS_DAYS", "1000000000"),
    ("EVENT_BODIES_DAYS", "1000000000"),
    ("HOST_NAME", "a\nb"),
    ("HOST_NAME", "\udcff"),
]
ALSO_GOOD = [
    ("MAIL_URL", "smtps://user:word@mail.example"),
    ("MAIL_URL", "smtp://127.0.0.1:25"),
    ("VAULT_URL", "s3://bucket?endpoint=http://127.0.0.1:8333"),
    ("LINK_KEY_FORMER", f"{drawn('last')} {drawn('the one before')}"),
    ("VAULT_FORMER_URL", "file:///var/vault"),  # the one of before may be a folder, until it is migrated
    ("REDIS_URL", "rediss://:word@broker.example:6380/1"),
    ("ALERT_URL", "mailto:alerts@aventide.com"),
    ("ALLOWED_HOSTS", "documents.example 10.0.0.7"),
    (
        "DATABASE_URL",
        "postgresql://app:word@db1.example:5432,db2.example:5433/billing?target_session_attrs=read-write&sslmode=require",
    ),
    ("DATABASE_URL", "postgresql://app:word@127.0.0.1,localhost/billing"),
    ("DATABASE_URL", "postgresql://app@/billing?host=/var/run/postgresql"),
    ("PUBLIC_URL", "HTTPS://Documents.Example:8443/"),
    ("PUBLIC_URL", "https://[2001:db8::1]"),
    ("DATABASE_URL", "postgresql://app:word@[2001:db8::1]:5432/billing?sslmode=verify-full&connect_timeout=3"),
    ("REDIS_URL", "redis://:a%2Fb@broker.example/0"),
    ("MAIL_URL", "SMTPS://mail.example"),
    ("MAIL_FROM", "José <a@aventide.com>"),
    ("MAIL_FROM", '"Aventide, S.A." <a@aventide.com>'),
    ("MAIL_FROM", "a+b@aventide.com"),
    ("ALERT_URL", "MAILTO:a@aventide.com"),
    ("ALERT_URL", "http://alert_manager:9093/api?x=1"),
    ("TRUSTED_PROXIES", "10.0.0.0/8, 2001:db8::/32\n192.168.0.1"),
    ("INNER_NETWORKS", "::1"),
    ("ALLOWED_HOSTS", ".example"),
    ("METRICS_BIND", "[::1]:9464"),
    ("WEB_BIND", "unix:/run/web.sock"),
    ("WEB_BIND", "[::]:8000 127.0.0.1:8001"),
    ("WEB_WORKERS", "02"),
]


@pytest.fixture(autouse=True)
def _in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DATABASE_OWNER_URL", raising=False)


def test_production_starts_with_everything_it_needs() -> None:
    production.refuse_unsafe()


@pytest.mark.parametrize(("name", "value"), ALSO_GOOD)
def test_production_starts_with_what_is_as_good(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    production.refuse_unsafe()


@pytest.mark.parametrize(("name", "value"), BAD, ids=lambda text: text[:60])
def test_production_never_starts_without_a_real_part(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(env.Misconfigured, match=name) as raised:
        production.refuse_unsafe()
    assert "word" not in str(raised.value).replace("password", "")


def test_a_public_address_has_one_spelling_by_which_cookies_and_links_go(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("HTTPS://Documents.Example/", "https://documents.example"):
        monkeypatch.setenv("PUBLIC_URL", value)
        assert env.public_url(name="PUBLIC_URL", default="") == "https://documents.example"


@pytest.mark.parametrize(
    ("program", "url", "starts"),
    [
        (["manage.py", "provision"], OWNER, True),
        (["manage.py", "provision"], "", False),
        (["manage.py", "provision"], GOOD["DATABASE_URL"], False),
        (["manage.py", "provision"], "postgresql://db.example", False),
        (["manage.py", "add_issuer"], "", True),
        (["/srv/.venv/bin/gunicorn"], "", True),
        (["/srv/.venv/bin/gunicorn"], OWNER, False),
        (["/srv/.venv/lib/celery/__main__.py", "worker"], OWNER, False),
    ],
)
def test_only_provision_has_the_owners_address(
    program: list[str], url: str, starts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", program)
    monkeypatch.setenv("DATABASE_OWNER_URL", url)
    if starts:
        production.refuse_unsafe()
        return
    with pytest.raises(env.Misconfigured, match="DATABASE_OWNER_URL"):
        production.refuse_unsafe()


def test_production_says_at_once_all_that_is_missing_each_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [
        name for name in GOOD if name not in {"ENVIRONMENT", *production.VAULT_KEYS}
    ]  # VAULT_URL's mend names its keys
    for name in names:
        monkeypatch.delenv(name)
    with pytest.raises(env.Misconfigured) as raised:
        production.refuse_unsafe()
    lines = str(raised.value).splitlines()
    assert sorted(line.split(": ")[1] for line in lines) == sorted(names)
    assert all(line.startswith("billing-docs: ") and line.split(": ", 2)[2] for line in lines)


def test_production_says_at_once_all_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "DATABASE_URL": "mysql://app@db.example/billing",
        "VAULT_URL": "s3://Vault?endpoint=https://s3.example",
        "MAIL_URL": "smtp://",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(env.Misconfigured) as raised:
        production.refuse_unsafe()
    assert [line.split(": ")[1] for line in str(raised.value).splitlines()] == list(wrong)


def test_production_says_at_once_every_value_of_another_form(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row for row in variables.ROWS.values() if row.form is not variables.Form.TEXT]
    for row in rows:
        monkeypatch.setenv(row.name, "-1")
    with pytest.raises(env.Misconfigured) as raised:
        production.refuse_unsafe()
    assert [line.split(": ")[1] for line in str(raised.value).splitlines()] == [row.name for row in rows]


@pytest.mark.parametrize("row", [row for row in variables.ROWS.values() if row.form is variables.Form.NUMBER])
def test_a_number_has_the_limits_of_its_row(row: variables.Variable, monkeypatch: pytest.MonkeyPatch) -> None:
    for good in (row.least, row.most):
        monkeypatch.setenv(row.name, str(good))
        assert env.number(name=row.name) == good
    for bad in (row.least - 1, row.most + 1):
        monkeypatch.setenv(row.name, str(bad))
        with pytest.raises(env.Misconfigured, match=row.name):
            env.number(name=row.name)


def test_production_never_starts_with_the_example_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    unfilled = [row for row in variables.ROWS.values() if "<" in row.example and row.name != "MAIL_FROM"]
    for row in unfilled:
        monkeypatch.setenv(row.name, row.example)
    with pytest.raises(env.Misconfigured) as raised:
        production.refuse_unsafe()
    lines = str(raised.value).splitlines()
    assert [line.split(": ")[1] for line in lines] == [row.name for row in unfilled]
    assert all(".env.example" in line for line in lines)


@pytest.mark.parametrize("name", production.VAULT_KEYS)
def test_production_never_starts_without_the_keys_of_its_vault(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(env.Misconfigured, match=name):
        production.refuse_unsafe()


@pytest.mark.parametrize("source", production.VAULT_KEY_SOURCES)
def test_the_keys_of_a_vault_may_come_from_where_botocore_finds_them(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in production.VAULT_KEYS:
        monkeypatch.delenv(name)
    monkeypatch.setenv(source, "vault")
    production.refuse_unsafe()


def test_the_keys_of_awss_own_vault_may_come_from_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in production.VAULT_KEYS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VAULT_URL", "s3://bucket?region=eu-south-2")
    production.refuse_unsafe()


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


@pytest.mark.parametrize(
    "value", ["-1", "1.5", "ten", "0", "²", "9" * 5000, "1000000001"], ids=lambda value: value[:12]
)
def test_a_number_that_is_none_is_not_guessed(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEASE_S", value)
    with pytest.raises(env.Misconfigured, match="LEASE_S"):
        env.number(name="LEASE_S")


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


@pytest.mark.parametrize(
    ("address", "starts"),
    [
        ("https://documents.example", False),
        ("http://127.0.0.1:8000", True),
        ("http://localhost:8000", True),
        ("", True),
    ],
)
def test_an_address_of_its_own_is_no_demo_that_nobody_has_named(
    address: str, starts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ENVIRONMENT")
    monkeypatch.setenv("PUBLIC_URL", address)
    if starts:
        production.refuse_unsafe()
        return
    with pytest.raises(env.Misconfigured, match="second factor"):
        production.refuse_unsafe()


def test_an_unknown_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "prod")
    with pytest.raises(env.Misconfigured, match="production"):
        env.environment()


def test_libpqs_parameters_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    query = "sslmode=verify-full&sslrootcert=/etc/ca.pem&application_name=web&target_session_attrs=read-write"
    monkeypatch.setenv("DATABASE_URL", f"postgresql://app:word@db1.example:5432,db2.example:5433/billing?{query}")
    database = env.database(name="DATABASE_URL")
    assert (database["HOST"], database["PORT"]) == ("db1.example,db2.example", "5432,5433")
    options = database["OPTIONS"]
    assert isinstance(options, dict)
    assert {name: options[name] for name in ("sslmode", "sslrootcert", "application_name", "connect_timeout")} == {
        "sslmode": "verify-full",
        "sslrootcert": "/etc/ca.pem",
        "application_name": "web",
        "connect_timeout": 2,
    }
    assert "statement_timeout=5000" in options["options"]
    monkeypatch.setenv("DATABASE_URL", "postgresql://app@/billing?host=/run/postgresql")
    assert env.database(name="DATABASE_URL")["HOST"] == "/run/postgresql"


def test_mail_over_tls_from_the_first_byte() -> None:
    mail = env.mail(url="smtps://user:word@mail.example")
    assert (mail["ssl"], mail["tls"], mail["port"]) == (True, False, 465)
    assert env.mail(url="smtp://mail.example:587?tls=1")["tls"] is True
