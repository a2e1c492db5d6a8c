"""What `manage.py` puts around every command: servers behind it, and an end in order."""

import contextlib
import sys
from collections.abc import Iterator

from config import env
from config.embedded import ending, services, shared

# These never look at a server, or start a Stack of their own.
WITHOUT_SERVERS = frozenset(
    {"", "help", "version", "describe_settings", "gate", "clean", "check", "diffsettings"}
) | frozenset({"makemigrations", "makemessages", "compilemessages", "collectstatic", "findstatic", "send_events"})
# These get a private pair that is thrown away: they show it, crash it, or measure it.
WITH_AN_OBJECT_STORE = frozenset({"demo", "crash_campaign", "fault_campaign"})  # they lock as production does
WITH_A_STACK_OF_THEIR_OWN = frozenset({"demo", "crash_campaign", "fault_campaign", "contact_sheet"})

# What comes with the URL of an embedded server.
COMPANIONS = {
    "DATABASE_URL": ("DATABASE_OWNER_URL",),
    "VAULT_URL": ("VAULT_CANARY_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
}
_stacks: list[services.Stack] = []  # that of this process, while its command runs


def private_stack() -> services.Stack | None:
    """Return the servers that only this command uses; None where it was given others."""
    return _stacks[0] if _stacks else None


@contextlib.contextmanager
def around(*, command: str) -> Iterator[None]:
    """Run a command with servers behind it: the given ones, or embedded ones for those not given.

    Production has no embedded default: it goes on, and the settings refuse what is missing. What the operator can mend
    ends the command with a sentence.
    """
    ending.heed_signals()
    ending.speak_anywhere()
    if "--dry-run" in sys.argv:
        env.drop(name="PROMETHEUS_MULTIPROC_DIR")  # what does not happen is counted in no metric of the service
    with ending.in_a_sentence(), _servers(command=command):
        yield


@contextlib.contextmanager
def _servers(*, command: str) -> Iterator[None]:
    """Put the URLs of embedded servers into the environment for as long as the command runs, where it needs any."""
    needed = ("DATABASE_URL", "REDIS_URL", *(["VAULT_URL"] if command in WITH_AN_OBJECT_STORE else []))
    missing = [name for name in needed if not env.text(name=name)]
    if not missing or command.startswith("-") or command in WITHOUT_SERVERS or env.production():
        yield
        return
    objects = "VAULT_URL" in missing
    with _private(objects=objects) if command in WITH_A_STACK_OF_THEIR_OWN else shared.use() as urls:
        for name in (name for first in missing for name in (first, *COMPANIONS.get(first, ()))):
            env.put(name=name, value=urls[name])
        yield


@contextlib.contextmanager
def _private(*, objects: bool) -> Iterator[dict[str, str]]:
    """Yield the environment of servers that only this command uses."""
    with services.Stack(objects=objects) as stack:
        _stacks.append(stack)
        try:
            yield stack.environment()
        finally:
            _stacks.clear()
