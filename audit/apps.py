"""The ground floor: what happened, in an order nobody can change."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """The audit app; it imports no other floor."""

    name = "audit"
    verbose_name = "Auditoría"
