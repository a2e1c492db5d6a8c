"""The full probe: by a person on a canary bucket, or by the deployment where VAULT_CANARY_URL names one."""

import datetime as dt
from urllib.parse import urlsplit

from django.conf import settings

from audit import log
from documents import errors
from documents.models import ProbeExtent, VaultProbe
from documents.vault import address, probes, s3_client, s3_full_probe, store


def probe(*, canary: str, keys: tuple[str, str] | None, actor: log.Actor) -> VaultProbe:
    """Attack the canary bucket of an `s3:` vault, or the folder of a `file:` one, and put on record what came of it.

    :param keys: access key and secret of whoever attacks; None for those of the vault
    :raises address.WrongAddressError: `canary` is no bucket
    :raises errors.WormError: the store does not answer, the keys are wrong, or the bucket may not be probed
    """
    if urlsplit(settings.VAULT_URL).scheme != "s3":
        return probes.record(extent=ProbeExtent.FULL, actor=actor)
    place, vault = address.bucket(url=canary), address.bucket(url=settings.VAULT_URL)
    if (place.name, place.endpoint) == (vault.name, vault.endpoint):
        raise errors.WormError(code="worm_bucket_misconfigured", values={"cause": "canary_in_use"})
    client, own = s3_client.connect(place=place, keys=keys), s3_client.connect(place=vault)
    with s3_client.named(doing="probe"):
        s3_full_probe.require_canary(client=client, bucket=place.name, of=own, vault=vault.name)
    try:
        with s3_client.named(doing="probe"):
            attempts = s3_full_probe.attack(client=client, bucket=place.name)
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
    due = last is None or last.probed_at <= now - (probes.DUE_EVERY if last.passed else probes.AGAIN_AFTER)
    if settings.VAULT_CANARY_URL and due:
        probe(canary=settings.VAULT_CANARY_URL, keys=None, actor=actor)
