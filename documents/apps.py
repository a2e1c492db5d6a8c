"""The documents floor: issue, lock, deliver, let in."""

from django.apps import AppConfig


class DocumentsConfig(AppConfig):
    """Registers the app."""

    name = "documents"
    verbose_name = "Documentos"
