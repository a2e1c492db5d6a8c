"""TABLE: the tasks that beat publishes, and how often.

The worker's own poller sweeps too, so that nothing waits for beat. `reconcile` only looks: a day without it loses
nothing, and `make manage ARGS=reconcile_payouts` does the same at any time. So does `verify_log`: the next one goes on
where the last one came to, and `make manage ARGS=verify_audit` reads all of the log. `erase` takes what a day
without it has left, and so does `make manage ARGS=erase_expired`.
"""

from celery.schedules import crontab

from documents.task_names import TaskName

RECONCILED_AT = {"hour": 4, "minute": 10}  # UTC: night in every market, after the weekly payouts
LOG_VERIFIED_AT = {"minute": 40}  # of every hour
ERASED_AT = {"hour": 5, "minute": 20}

SCHEDULE: dict[str, dict[str, object]] = {
    "sweep": {"task": TaskName.SWEEP, "schedule": 30.0, "options": {"expires": 30}},
    "verify_log": {
        "task": TaskName.VERIFY_LOG,
        "schedule": crontab(**LOG_VERIFIED_AT),
        "options": {"expires": 1800},
    },
    "erase": {"task": TaskName.ERASE, "schedule": crontab(**ERASED_AT), "options": {"expires": 3600}},
    "reconcile": {"task": TaskName.RECONCILE, "schedule": crontab(**RECONCILED_AT), "options": {"expires": 3600}},
}
