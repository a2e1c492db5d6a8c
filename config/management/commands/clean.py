"""`make clean`: removes what demo, tests and plain commands left on this machine."""

import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

from django.core.management import BaseCommand, CommandError

from config.embedded import machine, shared
from documents.vault import immutable


class Command(BaseCommand):
    """Removes `var/`, the temporary folder and the one in memory, unless something still runs in them."""

    help = "Remove var/ and the temporary folder it recorded; refuses while a demo, a test or a command runs."
    requires_system_checks = ()

    def handle(self, **_options: Any) -> None:
        """Leave no file behind.

        :raises CommandError: when a server still runs on the data; nothing is removed then.
        """
        folders = [machine.VAR] if machine.VAR.exists() else []
        if (machine.VAR / "outside").exists():
            folders.append(machine.temporary_folder())
        if in_memory := machine.memory_folder(made=False):
            folders.append(in_memory)
        for lock in (lock for folder in folders for lock in _locks(folder=folder)):
            if machine.in_use(lock=lock):
                raise CommandError(
                    f"{lock.parent} is in use: end the demo, test or command that runs there, then clean again"
                )
        for folder in reversed(folders):  # var/ last: it holds the record of the other one
            immutable.unlock_for_removal(folder=folder)
            shutil.rmtree(folder)


def _locks(*, folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yield the lock files of every folder that servers or a demo hold."""
    yield from folder.glob("demo/*/lock")
    yield from folder.glob("*_campaign/*/lock")
    for home in (folder, folder / "servers"):
        yield from home.glob("run-*/lock")
        yield from home.glob(f"{shared.LASTING}/{shared.HOST_LOCK}")
