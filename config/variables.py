"""TABLE: every variable of the environment that the service reads, with what the operator must know of it.

`make manage ARGS=describe_settings` writes docs/operations/settings.md and .env.example from it. A test compares it
with what is read through `config.env`, the only reader.
"""

import dataclasses
import enum

RANDOM = "<openssl rand -base64 48>"  # what stands between < and > is to be replaced
FOR_WEBHOOKS = "whsec_<openssl rand -base64 32>"


NUMBER_MAX = 1_000_000_000
PORT_MAX = 65_535
DAYS_MAX = 36_500  # a century: more is a slip, and no date


class Form(enum.Enum):
    """How a value is written; TEXT is whatever its own reader makes of it."""

    TEXT = enum.auto()
    NUMBER = enum.auto()  # a whole one, from `least` to `most`
    NETWORKS = enum.auto()
    BIND = enum.auto()
    LISTEN = enum.auto()  # as BIND, or a socket of this machine
    LEVEL = enum.auto()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variable:
    """One variable. `default` is shown as it stands; `example` is the line of .env.example of one that must be set."""

    name: str
    means: str
    default: str = ""
    example: str = ""
    needed: bool = False  # production does not start without it
    secret: bool = False
    form: Form = Form.TEXT
    least: int = 0
    most: int = NUMBER_MAX


def _needed(name: str, means: str, example: str, *, secret: bool = False) -> Variable:
    return Variable(name=name, means=means, example=example, needed=True, secret=secret)


def _may(name: str, means: str, default: str = "", *, secret: bool = False, form: Form = Form.TEXT) -> Variable:
    return Variable(name=name, means=means, default=default, secret=secret, form=form)


def _number(name: str, means: str, default: int, *, least: int = 0, most: int = NUMBER_MAX) -> Variable:
    return Variable(name=name, means=means, default=str(default), form=Form.NUMBER, least=least, most=most)


OUTSIDE = (
    _needed(
        "ENVIRONMENT", "`demo`, `test`, `sandbox` or `production`; the latter refuses what is not safe", "production"
    ),
    _needed(
        "PUBLIC_URL",
        "the https address that people, links and mails use; its host is the one that is answered",
        "https://documents.example.com",
    ),
    _needed(
        "DATABASE_URL",
        "PostgreSQL as the runtime role, read as libpq does: TLS, sockets, several hosts. Two hosts with"
        " `target_session_attrs=read-write` find the primary by themselves",
        "postgresql://billing_app:<password>@db1,db2/billing?sslmode=verify-full"
        "&sslrootcert=/etc/ssl/certs/ca-certificates.crt&target_session_attrs=read-write",
        secret=True,
    ),
    _may(
        "DATABASE_OWNER_URL",
        "the same as the role that owns the tables. Only `provision` may have it; a web server or worker that finds it"
        " does not start",
        secret=True,
    ),
    _needed("REDIS_URL", "the broker, Redis or Valkey; losing it loses nothing", "redis://:<password>@broker:6379/0"),
    _needed(
        "VAULT_URL",
        "the bucket with Object Lock: `s3://bucket?endpoint=https://host&region=name`; without `endpoint`, AWS's own",
        "s3://billing-docs?endpoint=https://s3.example.com&region=us-east-1",
    ),
    _needed("AWS_ACCESS_KEY_ID", "opens VAULT_URL; not needed where botocore finds it elsewhere", "<access key>"),
    _needed("AWS_SECRET_ACCESS_KEY", "the same", "<secret key>", secret=True),
    _may("AWS_CA_BUNDLE", "botocore's own: the authorities that vouch for the vault's certificate, as a file"),
    _may("AWS_PROFILE", "botocore's own; with any of these four the keys may come from elsewhere"),
    _may("AWS_SHARED_CREDENTIALS_FILE", "the same"),
    _may("AWS_CONFIG_FILE", "the same"),
    _may("AWS_WEB_IDENTITY_TOKEN_FILE", "the same"),
    _may("VAULT_CANARY_URL", "a bucket of the same settings without documents, which the service attacks every day"),
    _may("VAULT_FORMER_URL", "where documents lie that were locked before VAULT_URL changed; only read"),
    _may("AWS_FORMER_ACCESS_KEY_ID", "opens VAULT_FORMER_URL", "that of VAULT_URL"),
    _may("AWS_FORMER_SECRET_ACCESS_KEY", "the same", "that of VAULT_URL", secret=True),
    _needed(
        "MAIL_URL",
        "`smtps://user:password@host:465`, or `smtp://user:password@host:587?tls=1` for STARTTLS",
        "smtps://<user>:<password>@mail.example.com:465",
        secret=True,
    ),
    _needed("MAIL_FROM", "the sender of every mail", "Documents <documents@example.com>"),
    _needed(
        "ALERT_URL",
        "where P1 and P2 go: a webhook as Alertmanager's, or `mailto:somebody@host`",
        "https://alerts.example.com/api/v2/alerts",
    ),
    _may("ALERT_URL_2", "a second channel, which takes what the first one does not"),
)
SECRETS = (
    _needed("SECRET_KEY", "signs sessions and encrypts second factors", RANDOM, secret=True),
    _may("SECRET_KEY_FALLBACKS", "those of before, newest first; what they made is still read", secret=True),
    _needed("LINK_KEY", "makes the secrets of links and the codes of mails", RANDOM, secret=True),
    _may("LINK_KEY_FORMER", "those of before, newest first; their links and codes still open", secret=True),
    _needed("AUDIT_KEY", "signs the log's checkpoints", RANDOM, secret=True),
    _may("AUDIT_KEY_FORMER", "the one of before; both sign while it is set", secret=True),
    _needed("API_KEY_PEPPER", "under it the keys of the API are stored", RANDOM, secret=True),
    _may("API_KEY_PEPPER_FORMER", "those of before, newest first; keys made under them still open", secret=True),
    *(
        _needed(
            f"WEBHOOK_SECRET_{service}",
            f"with which the service {service.lower()} signs its events; two, split by a blank, while it is exchanged",
            FOR_WEBHOOKS,
            secret=True,
        )
        for service in ("PAYMENTS", "REFUNDS", "ORDERS", "PAYOUTS", "PARTIES")
    ),
)
FRONT = (
    _may(
        "TRUSTED_PROXIES",
        "addresses or networks of the proxies in front; without it every caller is the proxy",
        form=Form.NETWORKS,
    ),
    _may("ALLOWED_HOSTS", "the hosts that are answered", "the host of PUBLIC_URL"),
    _may("WEB_BIND", "where the web server listens: host:port, or unix:/path", "127.0.0.1:8000", form=Form.LISTEN),
    _number("WEB_WORKERS", "its processes", 2, least=1, most=512),
    _number("WEB_THREADS", "the threads of each", 8, least=1, most=512),
    _number("API_REQUESTS_MAX", "requests a minute of one key of the API", 600, least=1),
    _may(
        "METRICS_TOKEN",
        "who has it, as a bearer token, reads `/metrics` and all of `/readyz`, of which others learn the status alone;"
        " two, split by a blank, while it is exchanged",
        secret=True,
    ),
    _may(
        "INNER_NETWORKS",
        "addresses or networks that need no token",
        "this machine, where there is no METRICS_TOKEN",
        form=Form.NETWORKS,
    ),
    _may("METRICS_BIND", "host:port where a worker shows what the processes of its host have counted", form=Form.BIND),
    _may("HOST_NAME", "by which alerts name this machine", "its own name"),
    _may("LOG_LEVEL", "DEBUG, INFO, WARNING or ERROR", "INFO; WARNING in a command", form=Form.LEVEL),
    _may("PROMETHEUS_MULTIPROC_DIR", "the folder in which the processes of this host count together", "a private one"),
)
PERIODS = (
    _number("PARKED_LIMIT_S", "seconds after which an event that waits for another one is an incident", 259200),
    _number("BACKLOG_LIMIT_S", "seconds for which work may wait before it is an incident", 180, least=10),
    _number("LEASE_S", "seconds after which a dead worker's rows are free", 15, least=2, most=3600),
    _number("SWEEP_EVERY_S", "seconds between two looks for what is overdue", 2, least=1, most=3600),
    _number("CUSTODY_ROUND_S", "seconds between the starts of two rounds over the vault", 21600, least=1),
    _number(
        "AUDIT_DETAILS_DAYS", "days after which addresses, agents and names in the log are erased", 730, most=DAYS_MAX
    ),
    _number("EVENT_BODIES_DAYS", "days after which raw bodies of finished events are erased", 730, most=DAYS_MAX),
)
ELSEWHERE = (
    Variable(
        name="DEMO",
        means="the port of a running demo in which a command takes part",
        form=Form.NUMBER,
        most=PORT_MAX,
    ),
    _number("PORT", "of the demo; 0 takes any", 8000, most=PORT_MAX),
    _may("DEMO_JSON", "the file into which the demo writes addresses and logins"),
    _may("DEMO_EXIT", "1: the demo ends after its checks"),
    _may("STAGE_FOLDER", "set by the demo for its own processes"),
    _may("POSTGRES_BIN", "the folder of another PostgreSQL for the embedded server"),
    _may("DJANGO_SETTINGS_MODULE", "Django's own", "config.settings"),
)
# TABLE: heading -> its variables, in the order of the page.
TABLE: dict[str, tuple[Variable, ...]] = {
    "The parts outside": OUTSIDE,
    "Secrets": SECRETS,
    "The web server": FRONT,
    "Limits and periods": PERIODS,
    "Outside production": ELSEWHERE,
}
ROWS = {variable.name: variable for rows in TABLE.values() for variable in rows}
NAMES = frozenset(ROWS)
