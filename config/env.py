"""The only reader of the process environment. A value that is missing or wrong stops the start and says the mend."""

import os
import pathlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import SplitResult, unquote, urlsplit

from documents.vault import address

BASE_DIR = pathlib.Path(__file__).resolve().parent.parent
ENVIRONMENTS = ("demo", "test", "sandbox", "production")
SERVICES = ("payments", "refunds", "orders", "payouts", "parties")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
SECRETS = ("SECRET_KEY", "LINK_KEY", "AUDIT_KEY", "API_KEY_PEPPER")
SECRET_LENGTH_MIN = 32
SECRET_MEND = f"set a secret of at least {SECRET_LENGTH_MIN} characters (openssl rand -base64 48)"
REAL = {  # what production accepts of a variable, and the mend where it is anything else
    "VAULT_URL": ("s3:", f"only Object Lock can promise WORM: {address.MEND}"),
    "MAIL_URL": ("smtp:", "a file mailbox reaches nobody: use smtp://user:password@host:port"),
    "PUBLIC_URL": ("https:", "links carry secrets: use https://"),
}
VAULT_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
# Where else botocore finds the keys of a store that is not AWS's own.
VAULT_KEY_SOURCES = ("AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE")
NUMBER_MAX = 1_000_000_000
SESSION = {
    "search_path": "public",
    "default_transaction_read_only": "off",
    "default_transaction_isolation": r"read\ committed",
    "datestyle": "ISO",
    "statement_timeout": "5000",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "60000",
    "idle_session_timeout": "0",
    "local_preload_libraries": "",
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "synchronous_commit": "on",  # a commit that is lost would give its number twice
}
WEBHOOK_SECRET_LENGTH_MIN = 38  # `whsec_` and 24 bytes in base64


class Misconfigured(SystemExit):
    """The environment cannot be used as it is; the message names the variable and the mend, and `others` after it."""

    def __init__(self, *, name: str, mend: str, others: Sequence[tuple[str, str]] = ()) -> None:
        self.name, self.mend = name, mend
        super().__init__("\n".join(f"billing-docs: {wrong}: {how}" for wrong, how in [(name, mend), *others]))


def text(*, name: str, default: str = "") -> str:
    """Return a variable, stripped, or the default."""
    return os.environ.get(name, "").strip() or default


def put(*, name: str, value: str) -> None:
    """Set a variable for this process and for the commands it starts."""
    os.environ[name] = value


def drop(*, name: str) -> None:
    """Unset a variable for this process and for the commands it starts."""
    os.environ.pop(name, None)


def inherited() -> dict[str, str]:
    """Return a copy of the whole environment, for a child process."""
    return dict(os.environ)


def secret(*, name: str, demo: str) -> str:
    """Return a secret; outside production a fixed, public default stands in for a missing one."""
    value = text(name=name)
    if environment() == "production" and (not value or value == demo or len(value) < SECRET_LENGTH_MIN):
        raise Misconfigured(
            name=name,
            mend=SECRET_MEND,
        )
    return value or demo


def environment() -> str:
    """Return one of ENVIRONMENTS; the default is `demo`."""
    value = text(name="ENVIRONMENT", default="demo")
    if value not in ENVIRONMENTS:
        raise Misconfigured(name="ENVIRONMENT", mend=f"use one of {', '.join(ENVIRONMENTS)}")
    return value


def production() -> bool:
    """Say whether the process runs in production."""
    return environment() == "production"


def number(*, name: str, default: int, least: int = 0, most: int = NUMBER_MAX) -> int:
    """Return a whole number from `least` to `most`."""
    value = text(name=name)
    if not value:
        return default
    # int() refuses thousands of digits with an error of its own.
    plain = value.isascii() and value.isdigit() and len(value) <= len(str(NUMBER_MAX))
    if not plain or not least <= int(value) <= most:
        raise Misconfigured(name=name, mend=f"use a whole number of at least {least} and at most {most}")
    return int(value)


def is_command() -> bool:
    """Say whether a person has typed this process as a command; web server and workers are none."""
    return pathlib.Path(sys.argv[0]).name == "manage.py"


def log_level() -> str:
    """Return LOG_LEVEL, from which level on our own modules log: INFO by default, WARNING in a command.

    INFO has a line for each request and task, DEBUG also their beginnings. Other packages log from WARNING on.
    """
    value = text(name="LOG_LEVEL", default="WARNING" if is_command() else "INFO").upper()
    if value not in LOG_LEVELS:
        raise Misconfigured(name="LOG_LEVEL", mend=f"use one of {', '.join(LOG_LEVELS)}")
    return value


def items(*, name: str, default: str = "") -> list[str]:
    """Return the items of a variable, split at commas and blanks."""
    return text(name=name, default=default).replace(",", " ").split()


def _address(*, name: str, url: str, mend: str) -> SplitResult:
    """Return the parts of a URL whose host and port can be read.

    :raises Misconfigured: with `mend`, where they cannot
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # here a port that is none is noticed
    except ValueError as error:
        raise Misconfigured(name=name, mend=mend) from error
    return parts


def database(*, name: str, fallback: str = "") -> Mapping[str, object]:
    """Turn a `postgresql://` URL into Django's connection settings.

    Connect timeout 2 s and statement timeout 5 s are those of the row `postgresql` of `resilience.dependencies`.
    """
    url = text(name=name, default=fallback)
    if not url:
        # Commands that need no database (gate, makemigrations --check) still import settings: an address that
        # refuses at once is a clearer failure than a missing key.
        url = "postgresql://nobody@127.0.0.1:1/none"
    mend = "use postgresql://user:password@host:port/database"
    parts = _address(name=name, url=url, mend=mend)
    if parts.scheme not in {"postgres", "postgresql"} or not parts.path.strip("/"):
        raise Misconfigured(name=name, mend=mend)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 300,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "connect_timeout": 2,
            # Said by the connection, so that no setting of the role or the database changes what a statement means.
            "options": " ".join(f"-c {name}={value}" for name, value in SESSION.items()),
        },
    }


def mail(*, url: str) -> dict[str, str | int | bool]:
    """Turn a mail URL into Django's settings: `smtp://user:password@host:port?tls=1` or `file:///folder`."""
    mend = "use smtp://user:password@host:port or file:///folder"
    parts = _address(name="MAIL_URL", url=url, mend=mend)
    settings: dict[str, str | int | bool] = {
        "host": "",
        "port": 0,
        "user": "",
        "password": "",
        "tls": False,
        "folder": "",
    }
    if parts.scheme == "file":
        return settings | {"backend": "documents.delivery.mailbox.EmlFolder", "folder": unquote(parts.path)}
    if parts.scheme == "smtp" and parts.hostname:
        return settings | {
            "backend": "django.core.mail.backends.smtp.EmailBackend",
            "host": parts.hostname,
            "port": parts.port or 25,
            "user": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
            "tls": "tls=1" in parts.query,
        }
    raise Misconfigured(name="MAIL_URL", mend=mend)


def vault(*, name: str = "VAULT_URL", default: str = "") -> str:
    """Return the address of a vault, or the default; one of which no vault can be opened stops the start."""
    url = text(name=name, default=default)
    try:
        address.check(url=url)
    except address.WrongAddressError as wrong:
        raise Misconfigured(name=name, mend=str(wrong)) from wrong
    return url


def former_vault() -> str:
    """Return VAULT_FORMER_URL, where documents lie that were locked before VAULT_URL changed; empty where none do."""
    return vault(name="VAULT_FORMER_URL") if text(name="VAULT_FORMER_URL") else ""


def webhook_secrets() -> dict[str, list[str]]:
    """Return each platform service's secrets, newest first (two while rotating)."""
    return {service: items(name=f"WEBHOOK_SECRET_{service.upper()}") for service in SERVICES}


def refuse_unsafe_production() -> None:
    """Stop a production start that lacks a real database, broker, vault, mailbox or secrets; all of it is said at once.

    :raises Misconfigured: with each variable and its mend
    """
    wrong = list(_unsafe()) if production() else []
    if wrong:
        (name, mend), *others = wrong
        raise Misconfigured(name=name, mend=mend, others=others)


def _unsafe() -> Iterator[tuple[str, str]]:
    """Yield each variable with which production cannot start, and its mend."""
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "VAULT_URL", "MAIL_URL", "PUBLIC_URL", "ALERT_URL"):
        value = text(name=name)
        if not value:
            yield name, f"production has no embedded default: {address.MEND if name == 'VAULT_URL' else 'set it'}"
        elif name in REAL and not value.startswith(REAL[name][0]):
            yield name, REAL[name][1]
        else:
            yield from _unreadable(name=name)
    yield from _keyless()
    for name in SECRETS:
        if len(text(name=name)) < SECRET_LENGTH_MIN:
            yield name, SECRET_MEND
    for service, secrets in webhook_secrets().items():
        if not secrets or any(
            not secret.startswith("whsec_") or len(secret) < WEBHOOK_SECRET_LENGTH_MIN for secret in secrets
        ):
            yield f"WEBHOOK_SECRET_{service.upper()}", "set whsec_ and at least 24 bytes in base64"


def _unreadable(*, name: str) -> Iterator[tuple[str, str]]:
    """Yield a variable whose address cannot be read, and its mend."""
    try:
        if name.startswith("DATABASE"):
            database(name=name)
        elif name == "VAULT_URL":
            vault()
        elif name == "MAIL_URL":
            mail(url=text(name=name))
    except Misconfigured as wrong:
        yield wrong.name, wrong.mend


def _keyless() -> Iterator[tuple[str, str]]:
    """Yield each key that is missing for a vault on a server of its own; AWS's may come from the machine's role."""
    try:
        place = address.bucket(url=text(name="VAULT_URL"))
    except address.WrongAddressError:
        return  # said already
    if place.endpoint and not any(text(name=name) for name in VAULT_KEY_SOURCES):
        yield from ((name, "set the key with which VAULT_URL is opened") for name in VAULT_KEYS if not text(name=name))
