"""Reads the address of a vault (VAULT_URL): a folder, `file:///absolute/folder`, or a bucket, `s3://bucket?endpoint=https://host&region=name`.

Imports nothing of Django: the settings check the address before anything else starts.
"""

import ipaddress
import pathlib
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

MEND = "use s3://bucket?endpoint=https://host&region=name (its keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
MEND_FOLDER = "use file:///absolute/folder"
BUCKET = re.compile(r"(?!xn--)[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]", re.ASCII)
REGION = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
REGION_DEFAULT = "us-east-1"  # what stores other than AWS's call themselves


class WrongAddressError(ValueError):
    """The address cannot be used; the text is the mend."""


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A bucket and where it is; an empty `endpoint` is AWS's own."""

    name: str
    endpoint: str
    region: str


def folder(*, url: str) -> pathlib.Path:
    """Return the folder of a `file:` address.

    :raises WrongAddressError: it names another machine, or no absolute folder
    """
    parts = _parts(url=url, mend=MEND_FOLDER)
    path = pathlib.Path(unquote(parts.path))
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"} or not path.is_absolute():
        raise WrongAddressError(MEND_FOLDER)
    return path


def bucket(*, url: str) -> Bucket:
    """Return the bucket of an `s3:` address.

    :raises WrongAddressError: a part of it is wrong, unknown or too many
    """
    parts = _parts(url=url, mend=MEND)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    given = dict(pairs)
    endpoint = given.get("endpoint", "").rstrip("/")
    region = given.get("region", REGION_DEFAULT)
    wrong = (
        parts.scheme != "s3"
        or not _is_bucket(name=parts.netloc)
        or parts.path.strip("/")
        or parts.fragment
        or len(given) != len(pairs)
        or set(given) - {"endpoint", "region"}
        or not REGION.fullmatch(region)
        or ("endpoint" in given and not _is_endpoint(url=endpoint))
        or not given  # one that is meant for another store must not go to AWS
    )
    if wrong:
        raise WrongAddressError(MEND)
    return Bucket(name=parts.netloc, endpoint=endpoint, region=region)


def check(*, url: str) -> None:
    """Refuse an address of which no store can be opened.

    :raises WrongAddressError: with the mend
    """
    if _is_folder(url=url):
        folder(url=url)
    else:
        bucket(url=url)


def canonical(*, url: str) -> str:
    """Return the one spelling of an address, which a row names its store by; it holds no credentials.

    :raises WrongAddressError: with the mend
    """
    if _is_folder(url=url):
        return f"file://{quote(str(folder(url=url)))}"
    place = bucket(url=url)
    endpoint = {"endpoint": place.endpoint.lower()} if place.endpoint else {}
    return f"s3://{place.name}?{urlencode({**endpoint, 'region': place.region}, safe=':/[]')}"


def _is_folder(*, url: str) -> bool:
    """Tell whether an address is to be a folder's; one that cannot be read is a bucket's."""
    return url.lower().startswith("file:")


def _parts(*, url: str, mend: str) -> SplitResult:
    """Return the parts of an address whose port can be read."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise WrongAddressError(mend) from error
    if port == 0:
        raise WrongAddressError(mend)
    return parts


def _is_bucket(*, name: str) -> bool:
    """Return whether a bucket may have this name, by the rules of S3."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return bool(BUCKET.fullmatch(name))
    return False


def _is_endpoint(*, url: str) -> bool:
    """Return whether this is a server's address and nothing more."""
    parts = _parts(url=url, mend=MEND)
    return (
        parts.scheme in {"http", "https"}
        and bool(parts.hostname)
        and not (parts.path or parts.query or parts.fragment or parts.username or parts.password)
    )
