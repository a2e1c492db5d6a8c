"""The keys that sign the log's checkpoints, and the name under which they do: the origin of the log, for ever the same.

A key is derived from the secret `AUDIT_KEY`, which never lies in the database. While `AUDIT_KEY_FORMER` names the one
of before, both sign, so that whoever knows only one of them goes on. Which keys there were stands in the log itself.
"""

import contextlib
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from audit import log, tlog
from audit.actions import Action
from audit.models import Event, TreeHead, TreePlace

PATH = "/audit/log"
PURPOSE = b"billing-docs audit log: Ed25519 key of its checkpoints"
LOG, KEY, FACT = "audit_log", "log_key", "public_key"  # what the events about keys are about; where the key stands


def origin() -> str:
    """Return the name of the log: that of its first checkpoint, or, before that, host and path of PUBLIC_URL."""
    first = TreeHead.objects.order_by("size").values_list("note", flat=True).first()
    if first is not None:
        return tlog.checkpoint_of(text=first).origin
    return urlsplit(settings.PUBLIC_URL).netloc + PATH


def private_keys() -> list[Ed25519PrivateKey]:
    """Return the keys that sign now, the newest first."""
    return [_derived(secret=secret) for secret in (settings.AUDIT_KEY, settings.AUDIT_KEY_FORMER) if secret]


def history(*, using: str = "default", size: int | None = None) -> list[tlog.LogKey]:
    """Return every key that has ever signed, the oldest first, as the log names them; what is no key is left out.

    :param size: only those that stand in the tree of this size, whose checkpoint vouches for them
    """
    rows = Event.objects.using(using).filter(object_id=LOG, action=Action.LOG_KEY_ADDED).order_by("id")
    if size is not None:
        rows = rows.filter(pk__in=TreePlace.objects.using(using).filter(index__lt=size).values("event_id"))
    keys = []
    for facts in rows.values_list("facts", flat=True):
        with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError):  # changed by force
            keys.append(tlog.read_key(text=facts[FACT]))
    return keys


def is_known() -> bool:
    """Tell whether one of the keys that sign now has signed before; where none ever has, each is."""
    known = {key.public for key in history()}
    return not known or any(private.public_key().public_bytes_raw() in known for private in private_keys())


def note_keys(*, name: str) -> None:
    """Record which keys sign from now on, and which no longer do, where that is not on record; in a transaction."""
    signing = [str(tlog.public_key(name=name, private=private)) for private in private_keys()]
    rows = Event.objects.filter(object_id=LOG, object_type=KEY).order_by("id").values_list("facts", "action")
    last = {facts[FACT]: action for facts, action in rows}
    for key in reversed(signing):
        if last.get(key) != Action.LOG_KEY_ADDED:
            _record(action=Action.LOG_KEY_ADDED, key=key)
    for key, action in last.items():
        if key not in signing and action == Action.LOG_KEY_ADDED:
            _record(action=Action.LOG_KEY_RETIRED, key=key)


def _record(*, action: Action, key: str) -> None:
    log.record(action=action, object_type=KEY, object_id=LOG, actor=log.SYSTEM, facts={FACT: key})


def _derived(*, secret: str) -> Ed25519PrivateKey:
    seed = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=PURPOSE).derive(secret.encode())
    return Ed25519PrivateKey.from_private_bytes(seed)
