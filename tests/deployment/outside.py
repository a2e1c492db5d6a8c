"""What production needs and does not run itself: an authority, a bucket with Object Lock over TLS, an SMTP server."""

import email.message
import json
import pathlib
import secrets
import signal
import ssl
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from botocore.exceptions import BotoCoreError, ClientError

from config.embedded import machine, object_store
from tests.deployment import hosts

BUCKET, TRIES_MAX = "billing-docs", 60
LOGINS = ("docs", "docs-2")
READ_S = 2.0  # what the store takes to read its identities anew
# What Python 3.13 asks of a certificate, as RFC 5280 has it.
STRICT = "keyUsage=digitalSignature\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
S3, MAIL, S3_PORT = "s3.example.com", "mail.example.com", 8333


class Authority:
    """Signs a certificate for each host."""

    def __init__(self, *, folder: pathlib.Path) -> None:
        folder.mkdir()
        self._folder, self.certificate = folder, folder / "authority.crt"
        _openssl(
            "req -x509 -newkey rsa:2048 -nodes -days 3 -subj /CN=lab -addext keyUsage=critical,keyCertSign,cRLSign",
            ["-keyout", str(folder / "authority.key"), "-out", str(self.certificate)],
        )

    def issue(self, *, names: Sequence[str]) -> tuple[pathlib.Path, pathlib.Path]:
        """Return the files of a certificate for some names, and of its key."""
        stem = self._folder / names[0]
        certificate, key, request = (stem.with_name(f"{names[0]}.{kind}") for kind in ("pem", "key", "csr"))
        more = stem.with_name(f"{names[0]}.ext")
        alternatives = ",".join(f"DNS:{name}" for name in names)
        more.write_text(f"subjectAltName={alternatives}\n{STRICT}", encoding="ascii")
        _openssl(f"req -newkey rsa:2048 -nodes -subj /CN={names[0]}", ["-keyout", str(key), "-out", str(request)])
        _openssl(
            "x509 -req -days 3 -CAcreateserial",
            *[["-in", str(request), "-CA", str(self.certificate), "-CAkey", str(self._folder / "authority.key")]],
            *[["-extfile", str(more), "-out", str(certificate)]],
        )
        return certificate, key


class OutsideServices:
    """The bucket and the mail server, on the address of the lab itself."""

    def __init__(self, *, folder: pathlib.Path, authority: Authority) -> None:
        self._authority = authority
        self.mail, self.objects = folder / "mail", folder / "objects"
        self.secret, self.word = secrets.token_hex(20), secrets.token_hex(12)
        self.mail_url, self.mail_url_2 = (f"smtps://{login}:{self.word}@{MAIL}:465" for login in LOGINS)
        self.access_2, self.secret_2 = "billing-docs-2", secrets.token_hex(20)
        self._logins = set(LOGINS[:1])
        self.vault_url = f"s3://{BUCKET}?endpoint=https://{S3}:{S3_PORT}&region={object_store.REGION}"
        self._log, self._identities = folder / "objects.log", self.objects / "s3.json"

    def __enter__(self) -> Self:
        """Start both."""
        self.mail.mkdir()
        self.objects.mkdir()
        self._store = self._stored()
        self._make_bucket()
        certificate, key = self._authority.issue(names=[MAIL])
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        self._smtp = Controller(
            _Folder(folder=self.mail),
            hostname=hosts.GATEWAY,
            port=465,
            ssl_context=context,
            authenticator=self._knows,
            auth_require_tls=False,  # it is TLS from the first byte
            auth_required=True,
        )
        self._smtp.start()
        return self

    def _stored(self) -> subprocess.Popen[bytes]:
        """Start the store, over TLS."""
        certificate, key = self._authority.issue(names=[S3])
        identities = self._identities
        identities.write_text(_identities(pairs={object_store.ACCESS: self.secret}), encoding="ascii")
        flags = {
            "ip": hosts.GATEWAY,
            "dir": self.objects,
            "s3": "true",
            "s3.config": identities,
            "s3.port": S3_PORT,
            "s3.cert.file": certificate,
            "s3.key.file": key,
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "master.peers": "none",
            "master.volumeSizeLimitMB": 64,
            "volume.max": 1000,
        }
        program = machine.script(package=object_store.PACKAGE, name=object_store.PROGRAM)
        words = [str(program), "-logtostderr", "server", *(f"-{name}={value}" for name, value in flags.items())]
        with self._log.open("wb") as log:
            return subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def _make_bucket(self) -> None:
        """Make the bucket with Object Lock, once the store answers."""
        made, tries = False, 0
        while not made:
            try:
                object_store.make_bucket(endpoint=f"https://{S3}:{S3_PORT}", secret=self.secret, name=BUCKET)
                made = True
            except (BotoCoreError, ClientError):
                tries += 1
                if tries > TRIES_MAX:
                    raise
                time.sleep(0.5)

    def __exit__(self, *_error: object) -> None:
        """End both."""
        self._smtp.stop()
        self._store.kill()
        self._store.wait()

    def open_to(self, *, first: bool, second: bool) -> None:
        """Let the first and the second pair of keys open the bucket, or one of them."""
        pairs = {object_store.ACCESS: self.secret} if first else {}
        pairs |= {self.access_2: self.secret_2} if second else {}
        self._identities.write_text(_identities(pairs=pairs), encoding="ascii")
        self._store.send_signal(signal.SIGHUP)
        time.sleep(READ_S)

    def know(self, *, first: bool, second: bool) -> None:
        """Let the first and the second login hand in mail, or one of them."""
        self._logins = {login for login, is_known in zip(LOGINS, (first, second), strict=True) if is_known}

    def _knows(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, given: object) -> AuthResult:
        if not isinstance(given, LoginPassword) or given.password != self.word.encode():
            return AuthResult(success=False)
        return AuthResult(success=given.login.decode() in self._logins)


class _Folder:
    """Keeps each message as a file."""

    def __init__(self, *, folder: pathlib.Path) -> None:
        self._folder = folder
        self.__dict__["handle_DATA"] = self._keep  # the name that aiosmtpd calls

    async def _keep(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Keep one message."""
        message = email.message_from_bytes(envelope.original_content or b"")
        (self._folder / f"{uuid.uuid4()}.eml").write_bytes(message.as_bytes())
        return "250 OK"


def _identities(*, pairs: Mapping[str, str]) -> str:
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    known = [
        {"name": access, "credentials": [{"accessKey": access, "secretKey": secret}], "actions": actions}
        for access, secret in pairs.items()
    ]
    return json.dumps({"identities": known})


def _openssl(words: str, *more: Sequence[str]) -> None:
    subprocess.run(
        ["/usr/bin/openssl", *words.split(), *(word for part in more for word in part)], check=True, capture_output=True
    )
