"""The documents floor: issue, lock, deliver, let in."""

from django.apps import AppConfig


class DocumentsConfig(AppConfig):
    """Registers the app."""

    name = "documents"
    verbose_name = "Documentos"

    def ready(self) -> None:
        """Make the alerts the listener of outages; their modules import models, which are loaded only now."""
        from documents.alerts import outages
        from documents.resilience import calls

        calls.LISTENERS[:] = [outages.LISTENER]
