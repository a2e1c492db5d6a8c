"""The wiring of billing-docs. Importing it makes the Celery application the current one, as Celery asks of Django projects."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
