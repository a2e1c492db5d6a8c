"""Production on the lab's hosts, built by the commands of docs/operations/deploy.md and by nothing else.

What the pages leave to people is done here: names, certificates, and the copies of the settings.
"""

import os
import pathlib
import re
import secrets
import shutil
import sys
import time
from typing import Self

from config.embedded import object_store
from tests.deployment import hosts, outside, pages

PUBLIC_HOST = "documents.example.com"
# TABLE: host -> the last part of its address.
HOSTS = {
    "web1": 1,
    "web2": 2,
    "worker1": 3,
    "worker2": 4,
    "db1": 5,
    "db2": 6,
    "front": 10,
    "broker": 11,
}
SETTINGS = "/etc/billing-docs/service.env"
CHECKER = "checker"


class Production:
    """The hosts, with what is typed on them."""

    def __init__(self, *, base: pathlib.Path, folder: pathlib.Path) -> None:
        self.authority = outside.Authority(folder=folder / "authority")
        self.outside = outside.OutsideServices(folder=folder, authority=self.authority)
        self.hosts = {
            name: hosts.LabHost(name=name, number=number, base=base, folder=folder / "hosts")
            for name, number in HOSTS.items()
        }
        self._kept = folder / "kept"
        self.word = secrets.token_hex(16)
        self._names = self._named()

    def __enter__(self) -> Self:
        """Boot every host, as somebody has set it up before the pages begin."""
        hosts.bridge()
        self.outside.__enter__()
        for host in self.hosts.values():
            self._furnish(host=host)
            host.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """End every host."""
        for host in self.hosts.values():
            if host.pid:
                host.lose()
        self.outside.__exit__()

    def _named(self) -> dict[str, str]:
        given = {
            "PUBLIC_HOST": PUBLIC_HOST,
            "REPOSITORY": "/lab/checkout.bundle",
            "VERSION": os.environ["FROM"],
            **{name.upper(): host.address for name, host in self.hosts.items()},
            **{f"{who}_PASSWORD": secrets.token_hex(16) for who in ("APP", "OWNER", "REPLICATION", "BROKER")},
            **{f"{who}_PASSWORD_2": secrets.token_hex(16) for who in ("APP", "BROKER")},
            "VAULT_URL": self.outside.vault_url,
            "VAULT_ACCESS": object_store.ACCESS,
            "VAULT_SECRET": self.outside.secret,
            "VAULT_ACCESS_2": self.outside.access_2,
            "VAULT_SECRET_2": self.outside.secret_2,
            "MAIL_URL": self.outside.mail_url,
            "MAIL_URL_2": self.outside.mail_url_2,
            "MAIL_FROM": "Documentos <documentos@example.com>",
            "ALERT_URL": "mailto:operaciones@example.com",
            "ISSUERS": "/opt/billing-docs/config/samples/issuers.json",
            "ISSUER": "aventide-es",
        }
        if given.keys() != pages.named():
            sys.exit(f"deploy.md asks for other names: {sorted(given.keys() ^ pages.named())}")
        return given

    def _furnish(self, *, host: hosts.LabHost) -> None:
        """Give a host that does not run yet its names, certificate and authority."""
        names = [host.name, *([PUBLIC_HOST] if host.name == "front" else [])]
        certificate, key = self.authority.issue(names=names)
        here = "".join(f"{address} {name}\n" for address, name in _addresses().items())
        for path, text in {
            "/root/names.sh": "".join(f"{name}='{value}'\n" for name, value in self._names.items())
            + f"NEXT={os.environ['NEXT']}\n",
            "/etc/hosts": f"127.0.0.1 localhost\n{host.address} {host.name}\n{here}",
            "/etc/ssl/certs/billing-docs.pem": certificate.read_text(encoding="ascii"),
            "/etc/ssl/private/billing-docs.key": key.read_text(encoding="ascii"),
        }.items():
            place = host.root / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        for folder, mode in (("etc", 0o755), ("etc/ssl", 0o755), ("etc/ssl/certs", 0o755), ("root", 0o700)):
            (host.root / folder).chmod(mode)

    def trust(self) -> None:
        """Put the lab's authority among those of each host."""
        text = self.authority.certificate.read_text(encoding="ascii")
        for host in self.hosts.values():
            host.put({"/usr/local/share/ca-certificates/lab.crt": text}, mode=0o644)
            host.typed("update-ca-certificates")

    def build(self) -> None:
        """Type every block of deploy.md, in its order."""
        self.trust()
        for block in pages.blocks(page="deploy.md"):
            if block.occasion:
                continue  # done in the base, where the internet is in reach
            self.follow(block=block)
            if "owner.env" in block.script:
                self._copy_settings()
            if "systemctl start billing-migrate" in block.script:
                self._let_the_checker_in()

    def keep(self, *, host: str, path: str) -> None:
        """Take a folder off a host."""
        shutil.copytree(self.hosts[host].place(path), self._kept / host / path.lstrip("/"), dirs_exist_ok=True)

    def has_kept(self, *, path: str) -> bool:
        """Tell whether a folder was taken off a host."""
        return any(self._kept.glob(f"*/{path.lstrip('/')}"))

    def give(self, *, host: str, path: str) -> None:
        """Bring what was taken off a host to a host."""
        [kept] = self._kept.glob(f"*/{path.lstrip('/')}")
        shutil.copytree(kept, self.hosts[host].place(path), dirs_exist_ok=True)

    def follow(self, *, block: pages.CommandBlock, swapped: bool = False) -> None:
        """Type a block on each of its hosts; `swapped` exchanges the two hosts of PostgreSQL."""
        names = list(self.hosts) if block.hosts == ("every", "host") else block.hosts
        for name in names:
            began = time.monotonic()
            host = self.hosts[_swap(text=name) if swapped else name]
            host.typed(_swap(text=block.script) if swapped else block.script)
            sys.stdout.write(
                f"  {block.page:12} {host.name:8} {time.monotonic() - began:5.1f} s  {_gist(script=block.script)}\n"
            )
            sys.stdout.flush()

    def _copy_settings(self) -> None:
        text = self.hosts["worker1"].read(SETTINGS)
        for name in ("web1", "web2", "worker2"):
            self.hosts[name].put({SETTINGS: text})

    def _let_the_checker_in(self) -> None:
        """Give the outside checker a role that reads; no page does, it is the lab's own."""
        for name in ("db1", "db2"):
            line = f"hostssl billing {CHECKER} {hosts.GATEWAY}/32 scram-sha-256"
            self.hosts[name].typed(f"echo '{line}' >>/etc/postgresql/$(ls /etc/postgresql)/main/pg_hba.conf")
        role = f"CREATE ROLE {CHECKER} LOGIN PASSWORD '{self.word}' IN ROLE pg_read_all_data"
        self.sql(host="db1", query=f"{role}; GRANT CONNECT ON DATABASE billing TO {CHECKER}")
        self.hosts["db1"].typed("pg_ctlcluster $(ls /etc/postgresql) main reload")

    def sql(self, *, host: str, query: str) -> str:
        """Ask PostgreSQL on a host as its superuser."""
        return self.hosts[host].typed(f'runuser -u postgres -- psql -At billing -c "{query}"').strip()

    def checker_url(self, *, primary: str) -> str:
        """Return where the outside checker reads."""
        address = self.hosts[primary].address
        return f"postgresql://{CHECKER}:{self.word}@{address}/billing?sslmode=require&connect_timeout=5"

    def webhook_secrets(self) -> dict[str, str]:
        """Return the secrets of the platform's services."""
        found = re.findall(r"^WEBHOOK_SECRET_(\w+)='(\S+?)[' ]", self.hosts["worker1"].read(SETTINGS), re.MULTILINE)
        return {service.lower(): secret for service, secret in found}


def _addresses() -> dict[str, str]:
    """Return who is who for everybody: what a name server would say."""
    return {f"{hosts.NETWORK}.{HOSTS['front']}": PUBLIC_HOST, hosts.GATEWAY: f"{outside.S3} {outside.MAIL}"}


def _swap(*, text: str) -> str:
    return re.sub(r"\bdb([12])\b", lambda found: f"db{3 - int(found[1])}", text)


def _gist(*, script: str) -> str:
    lines = [line for line in script.splitlines() if not line.startswith(("#", ". /root"))]
    return lines[0].strip()[:70]
