"""TABLE: the tasks that beat publishes, and how often.

The worker's own poller sweeps too, so that nothing waits for beat. `reconcile` only looks: a day without it loses
nothing, and `make manage ARGS=reconcile_payouts` does the same at any time. `erase` takes what a day
without it has left, and so does `make manage ARGS=erase_expired`.
"""

from celery.schedules import crontab

from documents.task_names import TaskName

RECONCILED_AT = {"hour": 4, "minute": 10}  # UTC: night in every market, after the weekly payouts
ERASED_AT = {"hour": 5, "minute": 20}

SCHEDULE: dict[str, dict[str, object]] = {
    "sweep": {"task": TaskName.SWEEP, "schedule": 30.0, "options": {"expires": 30}},
    "erase": {"task": TaskName.ERASE, "schedule": crontab(**ERASED_AT), "options": {"expires": 3600}},
    "reconcile": {"task": TaskName.RECONCILE, "schedule": crontab(**RECONCILED_AT), "options": {"expires": 3600}},
}
