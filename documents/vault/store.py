"""The vault: write-once storage for issued bytes. Its interface, its promises, and `lock`, the only way to write.

A store protects a *version* of an object: whatever reads back names the version that it stored. The S3 store
(`documents.vault.s3_store`) may hold several of a key, the local one (`documents.vault.local_store`) holds one. Only
`dispose` removes anything, and only after its retention.
"""

import hashlib
import importlib
import itertools
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from django.conf import settings

from documents import errors, metrics
from documents.resilience import calls, clock
from documents.vault import places, rules

T = TypeVar("T")

# Each part begins with a letter or digit: no `..`, nothing hidden, nothing absolute.
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:=@+-]{0,149}(/[A-Za-z0-9][A-Za-z0-9._:=@+-]{0,149}){0,7}", re.ASCII)
PDF = "application/pdf"
COMPLIANCE = "COMPLIANCE"  # the only mode that nobody, not even the account's root, can shorten
# What becomes of an attack or of a question of a probe.
REFUSED, BY_POLICY, KEPT, ALLOWED = "refused", "by policy", "kept", "allowed"
HONOURED, IGNORED = "honoured", "ignored"
BACKENDS = {
    "file": "documents.vault.local_store",
    "s3": "documents.vault.s3_store",
}  # scheme of VAULT_URL -> the module whose `open_store` serves it


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One version in the vault: `size` in bytes, `sha256` in lower-case hex, `mode` as the store said it.

    `siblings` are other versions of the same bytes, left by two writers that were at work at once.
    """

    key: str
    version: str
    sha256: str
    size: int
    mode: str
    retain_until: datetime
    stored_at: datetime
    content_type: str = PDF
    siblings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Version:
    """One entry of a key's history; a `marker` is what a plain delete leaves."""

    version: str
    stored_at: datetime
    marker: bool = False


@dataclass(frozen=True, kw_only=True)
class StoreFacts:
    """What a store is set to: whether it locks, keeps versions, removes by rules of its own; and its own time."""

    locking: bool
    versioning: bool
    lifecycle: bool
    now: datetime | None


class Vault(Protocol):
    """What a store must be able to do. Every method answers with a WormError of `rules.RULES` when it cannot."""

    @property
    def mode(self) -> str:
        """The level that the probe reached: COMPLIANCE, LOCAL_IMMUTABLE or LOCAL_READ_ONLY."""

    @property
    def attempts(self) -> Mapping[str, str]:
        """What became of each attack of the last probe: REFUSED, BY_POLICY, KEPT, ALLOWED, HONOURED or IGNORED."""

    def probe(self) -> str:
        """Attack a canary object and return the level that held."""

    def facts(self) -> StoreFacts:
        """Return what the store is set to."""

    def put(self, *, key: str, body: bytes, content_type: str, retain_until: datetime) -> Stored:
        """Write a new object under retention, or adopt the identical one that a crash left."""

    def find(self, *, key: str) -> Stored | None:
        """Return the first version of a key, None where nothing was ever put: what comes later is none of ours."""

    def read(self, *, key: str, version: str, retain_until: datetime | None = None) -> bytes:
        """Return the full bytes of one version; its lock is looked at too where a moment is given."""

    def verify(
        self, *, key: str, version: str, sha256: str, size: int, retain_until: datetime, content_type: str = ""
    ) -> Stored:
        """Read a version back from the medium and compare everything that was promised.

        The type is compared where one is given, after a put: SeaweedFS forgets it when a lock is changed.
        """

    def versions(self, *, key: str) -> tuple[Version, ...]:
        """Return all that lies under a key, the oldest first."""

    def extend(self, *, key: str, version: str, retain_until: datetime) -> Stored:
        """Lock a version for longer than it is; a lock is never made shorter."""

    def hold(self, *, key: str, version: str, on: bool) -> bool:
        """Put a version under legal hold or end it; False where the store itself has no such thing."""

    def dispose(self, *, key: str, version: str) -> None:
        """Remove a version whose retention is over; `worm_still_locked` where it is not."""

    def keys(self, *, prefix: str = "", after: str = "") -> Iterator[str]:
        """Walk every key below the prefix that sorts behind `after`, for the reconciliation of database and vault."""


_opened: dict[str, Vault] = {}
_opening = threading.Lock()
os.register_at_fork(after_in_child=_opened.clear)  # two processes must not share a connection


def lock_end(*, day: date, zone: tzinfo) -> datetime:
    """Return the moment at which the last protected day ends in the document's legal zone, in UTC."""
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=zone).astimezone(UTC)


def too_short(*, key: str, until: datetime, policy: datetime) -> errors.WormError:
    """Return the error of a lock that ends before it may."""
    dates = {"until_date": f"{until:%Y-%m-%d %H:%M}", "policy_date": f"{policy:%Y-%m-%d %H:%M}"}
    return errors.WormError(code="worm_lock_too_short", values={"key": key, **dates})


def open_vault(*, url: str = "") -> Vault:
    """Return the store of VAULT_URL, probed once per process, or the former one that a row names: that is only read.

    :raises errors.WormError: `worm_unavailable`, `worm_write_denied` or `worm_bucket_misconfigured`.
    """
    former = places.is_former(url=url)
    if former and not places.is_known(url=url):
        raise errors.WormError(code="worm_unavailable", values={"cause": "unknown_store", "store": url})
    place: str = settings.VAULT_FORMER_URL if former else settings.VAULT_URL
    with _opening:
        if place not in _opened:
            scheme = urlsplit(place).scheme
            if scheme not in BACKENDS:
                raise errors.WormError(
                    code="worm_bucket_misconfigured", values={"cause": "url", "scheme": f"{scheme}://"}
                )
            _opened[place] = importlib.import_module(BACKENDS[scheme]).open_store(url=place, former=former)
        return _opened[place]


def probe_again() -> Vault:
    """Attack the store anew and return it.

    A store that lets an attack through is not used: from then on each use probes it again, and fails until it holds.

    :raises errors.WormError: as `open_vault`.
    """
    with _opening:
        _opened.pop(settings.VAULT_URL, None)
    return open_vault()


def lock(
    *,
    key: str,
    body: bytes,
    retain_until: datetime,
    sha256: str,
    content_type: str = PDF,
    skew_s: Callable[[], float | None] = clock.clock_skew_s,
) -> Stored:
    """Put bytes once, read them back and compare: only what it returns may be called locked.

    Safe to repeat: identical bytes that are there are adopted, and a seal that a crash left half done is finished.
    To adopt an object with other bytes but the same content, read it (`find`, `read`) and lock what was read.

    :param retain_until: the moment from which removal would be allowed, as `lock_end` gives it.
    :param sha256: lower-case hex of the bytes, recorded by the caller before this call.
    :raises errors.WormError: one of `rules.RULES`; counted in `docs_worm_errors_total`.
    """
    check_key(key=key)
    _check_intent(body=body, sha256=sha256, skew_s=skew_s)

    def work() -> Stored:
        store = _strict_vault()
        stored = store.put(key=key, body=body, content_type=content_type, retain_until=retain_until)
        return store.verify(
            key=key,
            version=stored.version,
            sha256=sha256,
            size=len(body),
            retain_until=retain_until,
            content_type=content_type,
        )

    return guarded(work=work)


def verify(*, key: str, version: str, sha256: str, size: int, retain_until: datetime, url: str = "") -> Stored:
    """Read one version back from the medium and compare bytes, lock, mode and date with what was promised.

    :param url: the store that the row names.
    :raises errors.WormError: one of `rules.RULES`; counted in `docs_worm_errors_total`.
    """
    return guarded(
        work=lambda: _strict_vault(url=url).verify(
            key=key, version=version, sha256=sha256, size=size, retain_until=retain_until
        ),
        url=url,
    )


def read(*, key: str, version: str, url: str, retain_until: datetime | None = None) -> bytes:
    """Return the full bytes of one version in the store that its row names, and look at its lock where one is given.

    :raises errors.WormError: one of `rules.RULES`; counted in `docs_worm_errors_total`.
    """
    return guarded(work=lambda: open_vault(url=url).read(key=key, version=version, retain_until=retain_until), url=url)


def walk(*, at_once: int, prefix: str = "", after: str = "", url: str = "") -> Iterator[list[str]]:
    """Walk the keys of a store, VAULT_URL's where none is named, some at once, each look behind the breaker."""
    keys = guarded(work=lambda: open_vault(url=url).keys(prefix=prefix, after=after), url=url)
    while several := guarded(work=lambda: [*itertools.islice(keys, at_once)], url=url):
        yield several


def _strict_vault(*, url: str = "") -> Vault:
    """Return a store, which in production must promise COMPLIANCE.

    :raises errors.WormError: `worm_mode_weak`, or as `open_vault`.
    """
    store = open_vault(url=url)
    if settings.ENVIRONMENT == "production" and store.mode != COMPLIANCE:
        raise errors.WormError(code="worm_mode_weak", values={"mode": store.mode})
    return store


def _check_intent(*, body: bytes, sha256: str, skew_s: Callable[[], float | None]) -> None:
    """Refuse, before anything is written, bytes of another hash and a clock that is off too far.

    :raises errors.WormError: `worm_checksum_mismatch`, `worm_bucket_misconfigured`.
    """
    if hashlib.sha256(body).hexdigest() != sha256:
        # An object under a wrong name could never be removed.
        raise _counted(errors.WormError(code="worm_checksum_mismatch", values={"cause": "intent"}))
    skew = skew_s()
    if skew is not None and abs(skew) > rules.SKEW_MAX_S:
        values: dict[str, errors.Value] = {"cause": rules.OUR_CLOCK, "seconds": round(skew)}
        raise _counted(errors.WormError(code="worm_bucket_misconfigured", values=values))


def guarded(*, work: Callable[[], T], url: str = "", dependency: str = "") -> T:
    """Call a vault behind its breaker, and give every failure its `worm_*` code; a former one stops no emission.

    :param dependency: the row of a store that holds no documents.
    """
    dependency = dependency or ("vault_former" if places.is_former(url=url) else "vault")
    try:
        return calls.call(dependency=dependency, work=work)
    except errors.WormError as error:
        raise _counted(error) from error
    except calls.DependencyDown as down:
        cause = down.cause
        known = cause if isinstance(cause, errors.WormError) else None
        if known is not None:
            raise _counted(errors.WormError(code=known.code, values=known.values)) from down
        said = f"{type(cause).__name__}: {cause}" if cause else "breaker open"
        values = {"cause": "system", "doing": "call", "error": said}
        raise _counted(errors.WormError(code="worm_unavailable", values=values)) from down


def check_key(*, key: str) -> None:
    """Refuse a key that could leave the vault's folder or collide with its own files.

    :raises ValueError: the caller is wrong, not the store.
    """
    if not KEY.fullmatch(key) or key.endswith(".lock"):
        message = f"not a vault key: {key!r}"
        raise ValueError(message)


def _counted(error: errors.WormError) -> errors.WormError:
    """Count an error and return it, to be raised; what our own clock causes breaks no promise of the vault's."""
    if not rules.is_our_clock(problem=error):
        metrics.WORM_ERRORS.labels(code=error.code).inc()
    return error
