"""The wiring: settings, URLs, schedule, commands, checks."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """Registers the app and the start-up checks."""

    name = "config"
    verbose_name = "Configuración"

    def ready(self) -> None:
        """Register the checks that stop a start with incomplete tables."""
        from config import checks  # noqa: F401 - importing registers; it may not happen before the apps are loaded
