"""The alerts about the service's own processes, and about what waits for them; see `catalog`."""

from collections.abc import Mapping

from documents.alerts.owners import Owner
from documents.alerts.rows import AlertRow
from documents.countries.sources import Words

PAGE = "processes.md"
ALERTS: Mapping[str, AlertRow] = {
    "worker_missing": AlertRow(
        severity="P1",
        page=PAGE,
        owner=Owner.OPERATIONS,
        sentences={
            "": Words(
                es="No funciona ningún proceso de trabajo: nada se resguarda ni se envía.",
                en="No worker runs: nothing is locked or sent.",
            )
        },
        meanwhile=Words(
            es="Los eventos se reciben y se numeran; los documentos esperan como ISSUED",
            en="Events are taken in and numbered; documents wait as ISSUED",
        ),
    ),
    "host_silent": AlertRow(
        severity="P2",
        page=PAGE,
        owner=Owner.OPERATIONS,
        sentences={
            "": Words(
                es="La máquina {host} ya no da señales ({role}).", en="The host {host} shows no sign of life ({role})."
            )
        },
        meanwhile=Words(es="Las demás máquinas hacen su trabajo", en="The other hosts do its work"),
    ),
    "backlog_late": AlertRow(
        severity="P2",
        page=PAGE,
        owner=Owner.OPERATIONS,
        sentences={
            "": Words(
                es="{count} documentos esperan su PDF, el más antiguo desde hace {age_s} s.",
                en="{count} documents wait for their PDF, the oldest for {age_s} s.",
            )
        },
        meanwhile=Words(
            es="Sus datos se pueden leer; se resguardan por orden", en="Their data can be read; they are locked in turn"
        ),
    ),
    "operations_drill": AlertRow(
        severity="P2",
        page="alert-channel.md",
        owner=Owner.OPERATIONS,
        sentences={
            "": Words(
                es="Simulacro {run}: comprueba que esta alerta llega. No hay nada que hacer.",
                en="Drill {run}: it shows that this alert arrives. There is nothing to do.",
            )
        },
    ),
}
