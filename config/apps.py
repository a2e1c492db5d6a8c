"""The wiring: settings, URLs, schedule, commands, checks."""

import ctypes
import gc
from typing import Final

from django.apps import AppConfig

M_MMAP_THRESHOLD: Final = -3  # glibc's malloc.h
LARGE_BLOCK_BYTES = 256 * 1024


class ConfigConfig(AppConfig):
    """Registers the app and the start-up checks, and bounds what the process holds of memory that it has freed."""

    name = "config"
    verbose_name = "Configuración"

    def ready(self) -> None:
        """Register the checks that stop a start with incomplete tables, and have memory returned.

        Garbage is looked for from here on, and never among the modules, which stay.
        """
        return_large_blocks()
        gc.freeze()
        gc.enable()
        from config import checks  # noqa: F401 - importing registers; it may not happen before the apps are loaded


def return_large_blocks() -> None:
    """Have each large block of memory returned to the system as soon as it is freed.

    By itself glibc raises the threshold with what is freed, up to 32 MiB (mallopt(3)): a page's bitmap or the content
    of a long payout would then stay in the arena of each thread that ever had one. A C library without `mallopt`
    (musl) raises nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
