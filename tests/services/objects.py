"""The session's S3 with Object Lock: one SeaweedFS for all workers, started when the first one needs it or comes to be.

What is locked in COMPLIANCE mode cannot be removed, so it goes with the server's folder.
"""

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator
from typing import Any

from django.conf import settings

from config import env
from config.embedded import object_store, services
from documents.vault import address


@dataclasses.dataclass(frozen=True, kw_only=True)
class Objects:
    """Where the store answers, and the secret of its one identity."""

    endpoint: str
    secret: str

    def client(self) -> Any:
        """Return a client that may do everything, past the product's own."""
        return object_store.client(endpoint=self.endpoint, secret=self.secret)

    def bucket(self, *, name: str) -> str:
        """Make a bucket with Object Lock unless it is there, and return its VAULT_URL."""
        object_store.make_bucket(endpoint=self.endpoint, secret=self.secret, name=name)
        return f"s3://{name}?endpoint={self.endpoint}&region={object_store.REGION}"

    def read(self, *, url: str, key: str, version: str) -> bytes:
        """Return the bytes of a version in the bucket of a VAULT_URL."""
        place = address.bucket(url=url).name
        body: bytes = self.client().get_object(Bucket=place, Key=key, VersionId=version)["Body"].read()
        return body

    def use(self, *, name: str) -> str:
        """Put the vault of this process and of its children into a bucket; return its VAULT_URL."""
        url = self.bucket(name=name)
        keys = {"AWS_ACCESS_KEY_ID": object_store.ACCESS, "AWS_SECRET_ACCESS_KEY": self.secret}
        for variable, value in {"VAULT_URL": url, **keys}.items():
            env.put(name=variable, value=value)
        settings.VAULT_URL = url
        return url


@contextlib.contextmanager
def running() -> Iterator[Objects]:
    """Run a store of our own, whose data goes with it."""
    folder, lock = services.throwaway_folder(memory=True)
    server = object_store.SeaweedFS(folder=folder)
    try:
        server.start()
        yield Objects(endpoint=server.endpoint, secret=server.password)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
        lock.close()
