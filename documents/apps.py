"""The documents floor: issue, lock, deliver, let in."""

from django.apps import AppConfig


class DocumentsConfig(AppConfig):
    """Registers the app."""

    name = "documents"
    verbose_name = "Documentos"

    def ready(self) -> None:
        """Let the alerts hear of outages; their modules read models, which exist only now."""
        from documents.alerts import outages
        from documents.resilience import calls

        calls.LISTENERS[:] = [outages.LISTENER]
