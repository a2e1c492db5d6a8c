"""What production refuses to start with: every fault of the environment, said at once, each with its mend."""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlsplit

from django.http.request import validate_host

from config import addresses, env, variables
from documents.vault import address

ADDRESSES = ("DATABASE_URL", "REDIS_URL", "VAULT_URL", "MAIL_URL", "PUBLIC_URL", "ALERT_URL", "MAIL_FROM")
# TABLE: a secret -> those of before, which are read while it is exchanged.
FORMER: Mapping[str, str] = {
    "SECRET_KEY": "SECRET_KEY_FALLBACKS",
    "LINK_KEY": "LINK_KEY_FORMER",
    "AUDIT_KEY": "AUDIT_KEY_FORMER",
    "API_KEY_PEPPER": "API_KEY_PEPPER_FORMER",
}
DEMO = "demo-only-"  # how the public defaults of the other environments begin
# What may be several, split by blanks or line breaks.
LISTS = frozenset(
    {"ALLOWED_HOSTS", "METRICS_TOKEN", *FORMER.values(), *(f"WEBHOOK_SECRET_{name.upper()}" for name in env.SERVICES)}
)
OWNED = "provision"  # the one command that is the owner's
SECRETS = ("SECRET_KEY", "LINK_KEY", "AUDIT_KEY", "API_KEY_PEPPER")
CHARACTERS_MIN = 12  # different ones: what a person repeats is guessed
WEBHOOK_SECRET_BYTES_MIN = 24
OTHER_VAULTS = ("VAULT_FORMER_URL", "VAULT_CANARY_URL")  # where there are any
VAULT_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
# Where else botocore finds the keys of a store that is not AWS's own.
VAULT_KEY_SOURCES = ("AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE")
EnvFault = tuple[str, str]  # the variable, and its mend
PLACEHOLDER = re.compile(r"<[^<>@]+>")  # in .env.example: to be replaced
# TABLE: how a value is written -> what reads it, where any process may need it.
READERS: Mapping[variables.Form, Callable[..., object]] = {
    variables.Form.NUMBER: env.number,
    variables.Form.NETWORKS: env.networks,
    variables.Form.BIND: env.bind,
    variables.Form.LEVEL: env.log_level,
    variables.Form.LISTEN: env.web_bind,
}
WEBHOOK_MEND = (
    "set whsec_ and at least 24 random bytes in base64 (openssl rand -base64 32), another one for each service"
)


def refuse_unsafe() -> None:
    """Stop a production start that lacks a real part, or has one that is not safe.

    :raises env.Misconfigured: with each variable and its mend
    """
    if not env.production():
        return
    unfilled = dict(_unfilled())
    faults = dict.fromkeys(_faults())  # one that several rules find is said once
    wrong = [*unfilled.items(), *(fault for fault in faults if fault[0] not in unfilled)]
    if wrong:
        (name, mend), *others = wrong
        raise env.Misconfigured(name=name, mend=mend, others=others)


def _unfilled() -> Iterator[EnvFault]:
    """Yield the variables in which a placeholder of .env.example still stands."""
    for row in variables.ROWS.values():
        value = env.text(name=row.name)
        if left := next((mark for mark in PLACEHOLDER.findall(row.example) if mark in value), ""):
            yield row.name, f"{left} still stands there, as in .env.example: fill it in"


def _faults() -> Iterator[EnvFault]:
    for name in ADDRESSES:
        value = env.text(name=name)
        if not value:
            yield name, f"production has no embedded default: {address.MEND if name == 'VAULT_URL' else 'set it'}"
        else:
            yield from CHECKS[name](name, value)
    yield from _unreadable()
    yield from _owner()
    yield from _keyless()
    yield from _secrets()
    yield from _webhook_secrets()
    yield from _metrics_token()
    if second := env.text(name="ALERT_URL_2"):
        yield from _alerts("ALERT_URL_2", second)
        if second == env.text(name="ALERT_URL"):
            yield "ALERT_URL_2", "it is the same as ALERT_URL: a second channel is another one, or leave it out"
    yield from _other_vaults()
    yield from _hosts()
    yield from _forms()


def _other_vaults() -> Iterator[EnvFault]:
    """Yield the vaults beside VAULT_URL that cannot be read, are reached in clear, or are VAULT_URL's own."""
    own = _canonical(url=env.text(name="VAULT_URL"))
    for name in OTHER_VAULTS:
        url = env.text(name=name)
        if not url:
            continue
        yield from _encrypted(name, url)
        try:
            address.check(url=url)
        except address.WrongAddressError as wrong:
            yield name, str(wrong)
            continue
        if name == "VAULT_CANARY_URL" and not url.startswith("s3:"):
            yield name, f"attacks prove something about a bucket alone: {address.MEND}"
        if _canonical(url=url) == own:
            yield name, "it is VAULT_URL's own: name another one, or leave it out"


def _canonical(*, url: str) -> str:
    """Return the one spelling of a vault's address; empty where it cannot be read."""
    try:
        return address.canonical(url=url)
    except address.WrongAddressError:
        return ""


def _hosts() -> Iterator[EnvFault]:
    """Yield ALLOWED_HOSTS where one of them is none, or that of PUBLIC_URL is left out: then nothing is answered."""
    hosts = [host.lower() for host in env.items(name="ALLOWED_HOSTS")]
    public = urlsplit(addresses.public(url=env.text(name="PUBLIC_URL"))).hostname
    bare = [host.removeprefix(".").removeprefix("[").removesuffix("]") for host in hosts]
    if not all(addresses.is_host(host=host) for host in bare):
        yield "ALLOWED_HOSTS", "name the hosts, without scheme or port, or leave it out: that of PUBLIC_URL is allowed"
    elif hosts and public and not validate_host(f"[{public}]" if ":" in public else public, hosts):
        yield "ALLOWED_HOSTS", "add the host of PUBLIC_URL, or leave it out: then it is allowed"


def _forms() -> Iterator[EnvFault]:
    """Yield the values that are not written as their rows say."""
    for row in variables.ROWS.values():
        try:
            READERS.get(row.form, env.text)(name=row.name)
        except env.Misconfigured as wrong:
            yield wrong.name, wrong.mend


def _unreadable() -> Iterator[EnvFault]:
    """Yield the values with characters that are no text: bytes of another encoding, a line break within one value."""
    for row in variables.ROWS.values():
        value = env.text(name=row.name)
        listed = " ".join(value.split()) if row.name in LISTS or row.form is variables.Form.NETWORKS else value
        if not listed.isprintable():
            yield row.name, "there is a line break or another character in it that is no text (UTF-8)"


def _database(name: str, _value: str) -> Iterator[EnvFault]:
    try:
        read = env.database(name=name)
    except env.Misconfigured as wrong:
        yield wrong.name, wrong.mend
        return
    if host := addresses.in_clear(hosts=str(read["HOST"]), options=read["OPTIONS"]):
        yield name, f"{host} may be reached in clear: add ?sslmode=verify-full&sslrootcert=FILE of its authority"


def _owner() -> Iterator[EnvFault]:
    """Yield the owner's URL where `provision` lacks it, and where a process that serves has it: guards are its."""
    name = "DATABASE_OWNER_URL"
    value = env.text(name=name)
    if env.command() == OWNED and not value:
        yield name, "set the URL of the role that owns the tables"
    elif value and not env.command():
        yield name, f"leave it to `{OWNED}`: web server and workers are to know the runtime role alone"
    elif value:
        yield from _database(name, value)
    if value and value == env.text(name="DATABASE_URL"):
        yield name, "it is DATABASE_URL's: the role that serves must not own the tables"


def _redis(name: str, value: str) -> Iterator[EnvFault]:
    if not addresses.is_redis(url=value):
        yield name, "use redis://:password@host:port/number, or rediss:// for TLS; escape what else is in the password"


def _vault(name: str, value: str) -> Iterator[EnvFault]:
    if not value.startswith("s3:"):
        yield name, f"only Object Lock can promise WORM: {address.MEND}"
    else:
        yield from _encrypted(name, value)


def _encrypted(name: str, value: str) -> Iterator[EnvFault]:
    """Yield a bucket that cannot be read from its address, or that is reached in clear over the network."""
    if not value.startswith("s3:"):
        return
    try:
        place = address.bucket(url=value)
    except address.WrongAddressError as wrong:
        yield name, str(wrong)
        return
    if place.endpoint.startswith("http:") and not addresses.is_here(host=urlsplit(place.endpoint).hostname or ""):
        yield name, "documents carry names and amounts: use an endpoint of https://"


def _mail(name: str, value: str) -> Iterator[EnvFault]:
    try:
        mail = env.mail(url=value)
    except env.Misconfigured as wrong:
        yield wrong.name, wrong.mend
        return
    if not mail["host"]:
        yield name, "a file mailbox reaches nobody: use smtps://user:password@host:465"
    elif not (mail["tls"] or mail["ssl"] or addresses.is_here(host=str(mail["host"]))):
        yield name, "mails carry links: use smtps://user:password@host:465, or smtp://user:password@host:587?tls=1"


def _public(name: str, value: str) -> Iterator[EnvFault]:
    if not addresses.public(url=value).startswith("https:"):
        yield name, "links carry secrets, and begin with it: use https://host, without a path"


def _alerts(name: str, value: str) -> Iterator[EnvFault]:
    if not addresses.is_channel(url=value):
        yield name, "use https://host/path of an Alertmanager-compatible webhook, or mailto:somebody@host"


def _sender(name: str, value: str) -> Iterator[EnvFault]:
    host = addresses.sender(value=value).rpartition("@")[2].lower()
    if "." not in host or host.endswith((".example", ".invalid", ".test", "localhost")):
        yield name, "set the sender of your mails: Name <documents@your.host>"


# TABLE: variable -> what is wrong with it where it is set.
CHECKS: Mapping[str, Callable[[str, str], Iterator[EnvFault]]] = {
    "DATABASE_URL": _database,
    "REDIS_URL": _redis,
    "VAULT_URL": _vault,
    "MAIL_URL": _mail,
    "PUBLIC_URL": _public,
    "ALERT_URL": _alerts,
    "MAIL_FROM": _sender,
}


def _keyless() -> Iterator[EnvFault]:
    """Yield each key that is missing for a vault on a server of its own; AWS's may come from the machine's role."""
    try:
        place = address.bucket(url=env.text(name="VAULT_URL"))
    except address.WrongAddressError:
        return  # said already
    if place.endpoint and not any(env.text(name=name) for name in VAULT_KEY_SOURCES):
        missing = (name for name in VAULT_KEYS if not env.text(name=name))
        yield from ((name, "set the key with which VAULT_URL is opened") for name in missing)


def _secrets() -> Iterator[EnvFault]:
    """Yield the secrets, former ones among them, that are short, can be guessed, or that two purposes share."""
    seen: dict[str, str] = {}
    named = [(name, env.text(name=name)) for name in SECRETS]
    for name, value in [*named, *((former, value) for former in FORMER.values() for value in env.items(name=former))]:
        if len(value) < env.SECRET_LENGTH_MIN or value.startswith(DEMO):
            yield name, env.SECRET_MEND
        elif len(set(value)) < CHARACTERS_MIN:
            yield name, f"it repeats itself: {env.SECRET_MEND}"
        elif value in seen:
            yield name, f"it is the same as {seen[value]}: {env.SECRET_MEND}"
        seen.setdefault(value, name)


def _metrics_token() -> Iterator[EnvFault]:
    """Yield the tokens of `/metrics` where one is short, repeats itself or is a secret of another purpose."""
    tokens = env.text(name="METRICS_TOKEN").split()
    if not all(token.isascii() and _is_varied(token=token) for token in tokens):
        yield "METRICS_TOKEN", f"{env.SECRET_MEND}, or leave it out: then only INNER_NETWORKS may ask"
    elif not {env.text(name=name) for name in SECRETS}.isdisjoint(tokens):
        yield "METRICS_TOKEN", f"it is the same as another secret: {env.SECRET_MEND}"


def _is_varied(*, token: str) -> bool:
    return len(token) >= env.SECRET_LENGTH_MIN and len(set(token)) >= CHARACTERS_MIN


def _webhook_secrets() -> Iterator[EnvFault]:
    """Yield the services whose secrets are none, too short, trivial, or those of another service."""
    seen: dict[str, str] = {}
    for service, secrets in env.webhook_secrets().items():
        name = f"WEBHOOK_SECRET_{service.upper()}"
        if not secrets or not all(_is_webhook_secret(text=secret) for secret in secrets):
            yield name, WEBHOOK_MEND
        elif other := next((seen[secret] for secret in secrets if secret in seen), ""):
            yield name, f"it is the same as {other}: {WEBHOOK_MEND}"
        seen |= dict.fromkeys(secrets, name)


def _is_webhook_secret(*, text: str) -> bool:
    """Tell whether a secret is in the form of Standard Webhooks, and long and varied enough."""
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return False
    varied = len(set(text)) >= CHARACTERS_MIN
    return text.startswith("whsec_") and len(key) >= WEBHOOK_SECRET_BYTES_MIN and varied
