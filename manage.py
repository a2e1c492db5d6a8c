#!/usr/bin/env python3
"""Django's command line; without DATABASE_URL or REDIS_URL it starts private servers while the command runs."""

import gc
import os
import sys


def main() -> None:
    """Run one management command, with embedded services where no URL names real ones."""
    gc.disable()  # until Django is set up (`config.apps`): what a start imports stays
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        from config.embedded import commands
        from config.simulation import demo
    except ModuleNotFoundError as missing:  # a bare `python3 manage.py` is not the Python that has the packages
        raise SystemExit(
            f'billing-docs: this Python has no {missing.name}: type make manage ARGS="{" ".join(sys.argv[1:])}"'
        ) from missing

    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command in commands.WITH_A_STACK_OF_THEIR_OWN:
        demo.prepare(kind=command)
    else:
        demo.join()
    with commands.around(command=command):
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
