"""The columns of a row that workers lease."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Leased(models.Model):
    """A row that one worker at a time works on, by `documents.resilience.leases`: a table of them is a queue.

    A row is due at `next_try_at`, and rests where that is empty.
    """

    attempts = models.PositiveIntegerField(_("intentos"), default=0)
    lease = models.UUIDField(null=True)
    lease_until_at = models.DateTimeField(null=True)
    next_try_at = models.DateTimeField(_("siguiente intento"), null=True)

    class Meta:
        abstract = True
