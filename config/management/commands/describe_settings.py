"""Writes docs/operations/settings.md and .env.example from the table of every setting."""

from typing import Any

from django.core.management.base import BaseCommand

from config import variable_pages


class Command(BaseCommand):
    """`make manage ARGS=describe_settings`."""

    help = "Write docs/operations/settings.md and .env.example from config/variables.py."
    requires_system_checks = ()

    def handle(self, *_args: object, **_options: Any) -> None:
        """Write both files into this checkout."""
        variable_pages.write()
        self.stdout.write("\n".join(str(path) for path in variable_pages.pages()))
