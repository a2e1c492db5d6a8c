"""The full probe: by a person on a canary bucket, or by the deployment where VAULT_CANARY_URL names one."""

import datetime as dt
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

from django.conf import settings

from audit import log
from documents import errors
from documents.models import ProbeExtent, VaultProbe
from documents.vault import address, probes, s3_client, s3_full_probe, store

T = TypeVar("T")
DUE_EVERY = probes.DUE_EVERY


def probe(*, canary: str, keys: tuple[str, str] | None, actor: log.Actor, guarded: bool = False) -> VaultProbe:
    """Attack the canary bucket of an `s3:` vault, or the folder of a `file:` one, and put on record what came of it.

    :param keys: access key and secret of whoever attacks; None for those of the vault
    :param guarded: whether both stores are called behind their breakers; what a person tries alarms nobody
    :raises address.WrongAddressError: `canary` is no bucket
    :raises errors.WormError: the store does not answer, the keys are wrong, or the bucket may not be probed
    """
    if urlsplit(settings.VAULT_URL).scheme != "s3":
        return probes.record(extent=ProbeExtent.FULL, actor=actor)
    place, vault = address.bucket(url=canary), address.bucket(url=settings.VAULT_URL)
    if (place.name, place.endpoint) == (vault.name, vault.endpoint):
        raise errors.WormError(code="worm_bucket_misconfigured", values={"cause": "canary_in_use"})
    client, own = s3_client.connect(place=place, keys=keys), s3_client.connect(place=vault)
    wanted = _asked(
        dependency="vault" if guarded else "",
        work=lambda: s3_full_probe.settings_of(client=own, bucket=vault.name),
    )

    def attack() -> dict[str, str]:
        s3_full_probe.require_canary(client=client, bucket=place.name, wanted=wanted)
        return s3_full_probe.attack(client=client, bucket=place.name)

    try:
        attempts = _asked(dependency="vault_canary" if guarded else "", work=attack)
    except errors.WormError as error:
        if error.code in probes.OUTAGES or error.values.get("cause") != "attack":
            raise
        return probes.note(extent=ProbeExtent.FULL, actor=actor, problem=error)
    return probes.note(extent=ProbeExtent.FULL, actor=actor, mode=store.COMPLIANCE, attempts=attempts)


def probe_if_due(*, actor: log.Actor, now: dt.datetime) -> None:
    """Probe the canary bucket of VAULT_CANARY_URL once a day, if there is one.

    :raises errors.WormError: as `probe`
    """
    last = probes.latest(extent=ProbeExtent.FULL)
    due = last is None or last.probed_at <= now - (DUE_EVERY if last.passed else probes.AGAIN_AFTER)
    if settings.VAULT_CANARY_URL and due:
        probe(canary=settings.VAULT_CANARY_URL, keys=None, actor=actor, guarded=True)


def _asked(*, dependency: str, work: Callable[[], T]) -> T:
    """Ask a store, with a deadline for all of it, and behind the breaker of a dependency where one is named."""

    def named() -> T:
        with s3_client.named(doing="probe"):
            return work()

    return store.guarded(work=named, dependency=dependency) if dependency else named()
