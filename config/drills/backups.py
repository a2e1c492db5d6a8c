"""The drills about copies of PostgreSQL: the last one taken, and the last one restored, are not too old."""

from collections.abc import Callable

from config.drills.registry import DrillContext, DrillFailed, Evidence
from documents.operations import ledger_gauges

HOUR_S = 3600


def age(*, what: str) -> Callable[[DrillContext], Evidence]:
    """Return the drill that looks how old the last backup is, or the last one that was restored."""

    def look(context: DrillContext) -> Evidence:
        last = ledger_gauges.last_backup(what=what)
        if last is None:
            raise DrillFailed(f"no backup that was {what} is on record (docs/operations/backup.md)")
        seconds, most = (context.now - last.at).total_seconds(), ledger_gauges.AGES_MAX_S[what]
        if seconds > most:
            raise DrillFailed(
                f"{seconds / HOUR_S:.0f} h since the last backup was {what}, {most / HOUR_S:.0f} h at most"
            )
        return {"event": str(last.pk), what: f"{last.at:%Y-%m-%d %H:%M:%S} UTC", "age": f"{seconds / HOUR_S:.1f} h"}

    return look
