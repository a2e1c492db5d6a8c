"""TABLE: the tasks that beat publishes, and how often.

The worker's own poller sweeps too, so that nothing waits for beat. `reconcile` only looks: a day without it loses
nothing, and `make manage ARGS=reconcile_payouts` does the same at any time.
"""

from celery.schedules import crontab

from documents.task_names import TaskName

RECONCILED_AT = {"hour": 4, "minute": 10}  # UTC: night in every market, after the weekly payouts

SCHEDULE: dict[str, dict[str, object]] = {
    "sweep": {"task": TaskName.SWEEP, "schedule": 30.0, "options": {"expires": 30}},
    "reconcile": {"task": TaskName.RECONCILE, "schedule": crontab(**RECONCILED_AT), "options": {"expires": 3600}},
}
