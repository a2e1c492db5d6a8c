"""What the processes know of each other: which dependencies fail, and who is alive."""

from django.db import models
from django.db.models.functions import Now


class Circuit(models.Model):
    """The breaker of one dependency, for all processes. `resilience.circuits` writes here."""

    dependency = models.CharField(max_length=40, primary_key=True)
    state = models.CharField(max_length=10, help_text="closed, half_open or open")
    failures = models.PositiveIntegerField(default=0)
    opened_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    incident = models.BooleanField(default=False, help_text="until the dependency has answered for long enough")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.dependency} {self.state}"


class Heartbeat(models.Model):
    """A process that is alive, or died without a word. `operations.heartbeats` writes here."""

    process = models.CharField(max_length=120, primary_key=True, help_text="role, host, process id and a random part")
    role = models.CharField(max_length=10, help_text="web or worker")
    host = models.CharField(max_length=80)
    began_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.process
