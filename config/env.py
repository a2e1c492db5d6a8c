"""The only reader of the process environment. A value that is missing or wrong stops the start and says the mend."""

import ipaddress
import os
import pathlib
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from urllib.parse import SplitResult, unquote, urlsplit

import psycopg
from psycopg import conninfo

from config import addresses, variables
from documents.vault import address

BASE_DIR = pathlib.Path(__file__).resolve().parent.parent
ENVIRONMENTS = ("demo", "test", "sandbox", "production")
SERVICES = ("payments", "refunds", "orders", "payouts", "parties")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
SECRET_LENGTH_MIN = 32
SECRET_MEND = f"set a secret of at least {SECRET_LENGTH_MIN} characters (openssl rand -base64 48)"
SMTP_PORTS = {"smtp": 25, "smtps": 465}  # the latter speaks TLS from the first byte
HOST_NAME_LENGTH_MAX = 60
SERVERS = frozenset({"gunicorn", "celery"})  # the programs that count for as long as they live
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

# A host that is gone without a word is noticed within these (libpq's own; milliseconds, then seconds and tries).
GONE = {"tcp_user_timeout": 8000, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 2}


class Misconfigured(SystemExit):
    """The environment cannot be used as it is; the message names the variable and the mend, and `others` after it."""

    def __init__(self, *, name: str, mend: str, others: Sequence[tuple[str, str]] = ()) -> None:
        self.name, self.mend = name, mend
        super().__init__("\n".join(f"billing-docs: {wrong}: {how}" for wrong, how in [(name, mend), *others]))


def text(*, name: str, default: str = "") -> str:
    """Return a variable, stripped, or the default; each that the service reads has its row in `config.variables`."""
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


def metrics_folder() -> str:
    """Return where the processes of this host count: PROMETHEUS_MULTIPROC_DIR, or a private folder of a server's.

    A server sets the variable for itself: the client of Prometheus reads it when imported. A command counts alone.
    """
    given = text(name="PROMETHEUS_MULTIPROC_DIR")
    if not given and SERVERS & {pathlib.Path(sys.argv[0]).name, pathlib.Path(sys.argv[0]).parent.name}:
        base = BASE_DIR / "var" if os.access(BASE_DIR / "var", os.W_OK) else pathlib.Path(tempfile.gettempdir())
        given = str(base / f"metrics-{os.getuid()}")
        put(name="PROMETHEUS_MULTIPROC_DIR", value=given)
    if given:
        try:
            pathlib.Path(given).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured(name="PROMETHEUS_MULTIPROC_DIR", mend="name a folder that can be written") from error
    return given


def host_name() -> str:
    """Return HOST_NAME, by which alerts name this machine: its own name unless it is set."""
    return text(name="HOST_NAME", default=socket.gethostname())[:HOST_NAME_LENGTH_MAX]


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
    """Return one of ENVIRONMENTS; the default is `demo`, except where others reach the service."""
    value = text(name="ENVIRONMENT", default="demo")
    host = addresses.parts(url=text(name="PUBLIC_URL"))
    if host and not addresses.is_here(host=host.hostname or "") and not text(name="ENVIRONMENT"):
        mend = "set it to production (or sandbox, or demo): without it this is a demo, which asks no second factor"
        raise Misconfigured(name="ENVIRONMENT", mend=mend)
    if value not in ENVIRONMENTS:
        raise Misconfigured(name="ENVIRONMENT", mend=f"use one of {', '.join(ENVIRONMENTS)}")
    return value


def production() -> bool:
    """Say whether the process runs in production."""
    return environment() == "production"


def number(*, name: str) -> int:
    """Return a whole number within the limits of its row in `config.variables`, by default the row's own."""
    row = variables.ROWS[name]
    value = text(name=name, default=row.default or str(row.least))
    # int() refuses thousands of digits with an error of its own.
    plain = value.isascii() and value.isdigit() and len(value) <= len(str(variables.NUMBER_MAX))
    if not plain or not row.least <= int(value) <= row.most:
        raise Misconfigured(name=name, mend=f"use a whole number of at least {row.least} and at most {row.most}")
    return int(value)


def bind(*, name: str) -> str:
    """Return an address and port to listen on, as 10.0.0.5:9464; empty where there is none."""
    value = text(name=name)
    if value and not addresses.is_bind(value=value):
        raise Misconfigured(name=name, mend="use address:port, as 10.0.0.5:9464 or [fd00::5]:9464")
    return value


def web_bind(*, name: str) -> list[str]:
    """Return where the web server listens: addresses and ports, or sockets of this machine, as unix:/run/web.sock."""
    value = items(name=name, default=variables.ROWS[name].default)
    if not all(place.startswith("unix:/") or addresses.is_bind(value=place) for place in value):
        raise Misconfigured(name=name, mend="use address:port, as 10.0.0.5:8000, or unix:/path")
    return value


def public_url(*, name: str, default: str) -> str:
    """Return the public address in its one spelling: links begin with it."""
    value = addresses.public(url=text(name=name, default=default))
    if not value:
        raise Misconfigured(name=name, mend="use https://host, without a path: links begin with it")
    return value


def is_command() -> bool:
    """Say whether a person has typed this process as a command; web server and workers are none."""
    return pathlib.Path(sys.argv[0]).name == "manage.py"


def command() -> str:
    """Return the name of the command that runs, "" in a web server or worker."""
    return (sys.argv[1:] or ["help"])[0] if is_command() else ""


def log_level(*, name: str) -> str:
    """Return LOG_LEVEL, from which level on our own modules log: INFO by default, WARNING in a command.

    INFO has a line for each request and task, DEBUG also their beginnings. Other packages log from WARNING on.
    """
    value = text(name=name, default="WARNING" if is_command() else "INFO").upper()
    if value not in LOG_LEVELS:
        raise Misconfigured(name=name, mend=f"use one of {', '.join(LOG_LEVELS)}")
    return value


def items(*, name: str, default: str = "") -> list[str]:
    """Return the items of a variable, split at commas and blanks."""
    return text(name=name, default=default).replace(",", " ").split()


def networks(*, name: str, default: str = "") -> list[addresses.IPNetwork]:
    """Return the networks of a variable, as addresses or in CIDR."""
    read: list[addresses.IPNetwork] = []
    for item in items(name=name, default=default):
        try:
            network = ipaddress.ip_network(item)
        except ValueError as error:
            raise Misconfigured(name=name, mend=f"{item}: use addresses or networks, as 10.0.0.0/8") from error
        if network.prefixlen == 0:
            raise Misconfigured(name=name, mend=f"{item} trusts everybody: name your own proxies")
        read.append(network)
    if addresses.are_everybody(networks=read):
        raise Misconfigured(name=name, mend="together they trust everybody: name your own proxies")
    return read


def database(*, name: str, fallback: str = "") -> Mapping[str, object]:
    """Turn a `postgresql://` URL, as libpq reads it, into Django's connection settings: sockets, several hosts, TLS.

    Connect timeout 2 s and statement timeout 5 s are those of the row `postgresql` of `resilience.dependencies`.
    """
    url = text(name=name, default=fallback)
    if not url:
        # Commands that need no database (gate, makemigrations --check) still import settings: an address that
        # refuses at once is a clearer failure than a missing key.
        url = "postgresql://nobody@127.0.0.1:1/none"
    mend = "use postgresql://user:password@host:port/database, with libpq's parameters if needed (?sslmode=verify-full)"
    try:
        given = dict(conninfo.conninfo_to_dict(url)) if url.startswith(("postgres://", "postgresql://")) else {}
    except (psycopg.Error, UnicodeError) as error:
        raise Misconfigured(name=name, mend=mend) from error
    if not given.get("dbname"):
        raise Misconfigured(name=name, mend=mend)
    if fault := addresses.libpq_fault(given=given):
        raise Misconfigured(name=name, mend=fault)
    own = {key: value for key, value in given.items() if key not in {"dbname", "user", "password", "host", "port"}}
    return {
        "ENGINE": "config.replicated",
        "NAME": given["dbname"],
        "USER": given.get("user", ""),
        "PASSWORD": given.get("password", ""),
        "HOST": given.get("host", ""),
        "PORT": str(given.get("port", "")),
        "CONN_MAX_AGE": 300,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "connect_timeout": 2,
            # Only a cursor that binds on the server prepares anything: those by which events are appended.
            "prepare_threshold": 1,
            **GONE,
            **own,
            # Said by the connection, so that no setting of the role or the database changes what a statement means.
            "options": " ".join(f"-c {name}={value}" for name, value in SESSION.items()),
        },
    }


def mail(*, url: str) -> dict[str, str | int | bool]:
    """Turn a mail URL into Django's settings: `smtps://user:password@host`, `smtp://host:587?tls=1`, `file:///folder`."""
    mend = "use smtps://user:password@host:465, smtp://user:password@host:587?tls=1, or file:///folder"
    if url.startswith("file:"):
        parts: SplitResult | None = urlsplit(url)
    else:
        parts = addresses.parts(url=url)
    settings: dict[str, str | int | bool] = {
        "host": "",
        "port": 0,
        "user": "",
        "password": "",
        "tls": False,
        "ssl": False,
        "folder": "",
    }
    if parts is not None and parts.scheme == "file":
        return settings | {"backend": "documents.delivery.mailbox.EmlFolder", "folder": unquote(parts.path)}
    speaks = parts is not None and parts.scheme in SMTP_PORTS and not parts.path.strip("/")
    if parts is not None and speaks and parts.query in {"", "tls=0", "tls=1"}:
        return settings | {
            "backend": "django.core.mail.backends.smtp.EmailBackend",
            "host": parts.hostname or "",
            "port": parts.port or SMTP_PORTS[parts.scheme],
            "user": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
            "tls": parts.query == "tls=1" and parts.scheme == "smtp",
            "ssl": parts.scheme == "smtps",
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
