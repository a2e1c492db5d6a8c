"""The S3 client of the vault, and `worm_*` codes for all that it may answer.

The connection and its credentials are those of django-storages (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, or the
machine's role); a former store may have its own (`settings.VAULT_FORMER_KEYS`). Nothing here tries twice: the
document's row does.
"""

import contextlib
import datetime as dt
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import botocore.exceptions
import botocore.session
from botocore.config import Config
from botocore.utils import get_environ_proxies
from django.conf import settings
from storages.backends.s3 import S3Storage

from documents import errors
from documents.resilience import clock, dependencies
from documents.vault import address, deadline, rules

# What S3 answers where the key, the secret, the clock or the bucket is wrong.
NO_BUCKET = {"NoSuchBucket", "PermanentRedirect", "AuthorizationHeaderMalformed"}
NO_VERSION = {"NoSuchKey", "NoSuchVersion", "404"}
TAKEN = "PreconditionFailed"
SKEWED = "RequestTimeTooSkewed"
CONNECTIONS_MAX = 50  # kept open by one process, whose threads share them
ROW = dependencies.DEPENDENCIES["vault"]


def connect(*, place: address.Bucket, former: bool = False, keys: tuple[str, str] | None = None) -> Any:
    """Return a client that tries once, within the limits of the row `vault` of `resilience.dependencies`.

    :param keys: access key and secret, where they are not the vault's.
    """
    config = Config(
        retries={"total_max_attempts": 1},
        connect_timeout=ROW.connect_s,
        read_timeout=ROW.total_s,
        max_pool_connections=CONNECTIONS_MAX,
        signature_version="s3v4",
        # An address that was given is the server's; AWS's own puts the bucket before it.
        s3={"addressing_style": "path" if place.endpoint else "auto", "payload_signing_enabled": True},
        # Not every store reads a checksum that follows the body: ours go ahead of it.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    access, secret = keys or (settings.VAULT_FORMER_KEYS if former else ("", ""))
    storage = S3Storage(
        **({"access_key": access, "secret_key": secret} if access else {}),
        bucket_name=place.name,
        endpoint_url=place.endpoint or None,
        region_name=place.region,
        client_config=config,
    )
    client = storage.connection.meta.client
    authorities = botocore.session.get_session().get_config_variable("ca_bundle")
    session = deadline.Session(
        verify=storage.verify if storage.verify is not None else authorities or True,
        proxies=storage.proxies or get_environ_proxies(client.meta.endpoint_url),
        timeout=(ROW.connect_s, ROW.total_s),
        max_pool_connections=CONNECTIONS_MAX,
    )
    client.meta.events.register_first("before-send.s3", lambda request, **_: session.send(request))
    return client


def header_date(*, answer: Mapping[str, Any]) -> dt.datetime | None:
    """Return what an answer says of the store's own clock."""
    text = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    try:
        return parsedate_to_datetime(text).astimezone(dt.UTC)
    except ValueError:
        return None


def code_of(error: botocore.exceptions.ClientError) -> str:
    """Return S3's own name of what it refuses."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextlib.contextmanager
def named(*, doing: str, key: str = "") -> Iterator[None]:
    """Give each answer that is none its `worm_*` name, and the whole call its deadline; `doing` is what was tried.

    :raises errors.WormError: of the code that follows from what S3 or the network said
    """
    try:
        with deadline.within(seconds=ROW.total_s):
            yield
    except botocore.exceptions.ClientError as error:
        raise _refusal(error=error, doing=doing, key=key) from error
    except (botocore.exceptions.NoCredentialsError, botocore.exceptions.PartialCredentialsError) as error:
        raise errors.WormError(code="worm_bucket_misconfigured", values={"cause": "credentials"}) from error
    except botocore.exceptions.ParamValidationError:
        raise  # a defect of ours
    except (botocore.exceptions.BotoCoreError, OSError) as error:
        raise _outage(doing=doing, said=type(error).__name__) from error


def pages(*, client: Any, bucket: str, prefix: str, after: str) -> Iterator[Mapping[str, Any]]:
    """Yield the pages of the list of versions; each is a call of its own, with a deadline of its own."""
    place = {"KeyMarker": after} if after else {}
    while True:
        with named(doing="read"):
            page = client.list_object_versions(Bucket=bucket, Prefix=prefix, **place)
        yield page
        if not page.get("IsTruncated"):
            return
        place = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page.get("NextVersionIdMarker", "")}


def _refusal(*, error: botocore.exceptions.ClientError, doing: str, key: str) -> errors.WormError:
    """Return what an answer of S3 means here."""
    said = code_of(error)
    metadata = error.response.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode", 0))
    if said in NO_BUCKET:
        return errors.WormError(code="worm_bucket_misconfigured", values={"cause": "bucket", "error": said})
    if said == SKEWED:
        return errors.WormError(code="worm_bucket_misconfigured", values=_skewed())
    if said in NO_VERSION:
        return errors.WormError(code="worm_version_missing", values={"cause": "gone", "key": key})
    if status == HTTPStatus.FORBIDDEN:
        said = f"{said or status}: {error.operation_name}"  # which right the keys lack
    if status == HTTPStatus.FORBIDDEN and doing != "read":
        return errors.WormError(code="worm_write_denied", values={"cause": "system", "doing": doing, "error": said})
    wait = str(metadata.get("HTTPHeaders", {}).get("retry-after", ""))
    wait_s = int(wait) if wait.isascii() and wait.isdigit() and len(wait) <= len("86400") else 0
    return _outage(doing=doing, said=said or str(status), wait_s=wait_s)


def _skewed() -> dict[str, errors.Value]:
    """Return whose clock is off where the store says that it is not ours: ours, where PostgreSQL says so too."""
    skew_s = clock.clock_skew_s() or 0.0
    if abs(skew_s) > rules.SKEW_MAX_S:
        return {"cause": rules.OUR_CLOCK, "seconds": round(skew_s)}
    return {"cause": "skewed"}


def _outage(*, doing: str, said: str, wait_s: int = 0) -> errors.WormError:
    """Return the error of a store that does not answer, or asks to wait."""
    values: dict[str, errors.Value] = {"cause": "system", "doing": doing, "error": said}
    return errors.WormError(code="worm_unavailable", values={**values, **({"wait_s": wait_s} if wait_s else {})})
