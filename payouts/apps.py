"""The payouts floor: what drivers and partners are owed."""

from django.apps import AppConfig


class PayoutsConfig(AppConfig):
    """Registers the app."""

    name = "payouts"
    verbose_name = "Liquidaciones y pagos"
