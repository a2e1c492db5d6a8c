"""The one table of alerts: severity, runbook, owner, sentences, and what happens meanwhile.

A row's sentences are chosen by the value `cause` of the alert; "" is the one without a cause. They are data here:
`channel` and the pages fill them in, in the reader's language.
"""

import dataclasses
from collections.abc import Mapping

from documents import errors
from documents.alerts import delivery_catalog, meanwhile, process_catalog
from documents.alerts.discrepancy_catalog import DISCREPANCIES, DiscrepancyRow
from documents.alerts.owners import Owner
from documents.alerts.rows import AlertRow
from documents.countries.sources import Words
from documents.resilience import dependencies

RUNBOOKS = "docs/runbooks"


def _alone(es: str, en: str) -> Mapping[str, Words]:
    return {"": Words(es=es, en=en)}


def _of_code(code: str, *, page: str, owner: Owner) -> AlertRow:
    """Return the alert of a code that doors answer with, too: its title, and what it is about."""
    row = errors.CODES[code]
    return AlertRow(
        severity=row.severity,
        page=page,
        owner=owner,
        sentences=_alone(f"{row.es}: {{what}}.", f"{row.en}: {{what}}."),
    )


def _of_discrepancy(row: DiscrepancyRow) -> AlertRow:
    about = _alone(
        f"Discrepancia abierta: {row.title.es}{{named:aside}}.", f"Open discrepancy: {row.title.en}{{named:aside}}."
    )
    if row.by_day is not None:
        about = {"": row.by_day}
    said = meanwhile.DISCREPANCY
    return AlertRow(severity=row.severity, page=row.page, owner=row.owner, sentences=about, meanwhile=said)


def _of_outage(row: dependencies.Dependency) -> AlertRow:
    return AlertRow(
        severity=row.alert_severity,
        page=row.runbook.removeprefix(f"{RUNBOOKS}/"),
        owner=Owner.OPERATIONS,
        sentences=_alone(f"{row.name} no responde: {{error}}.", f"{row.name} does not answer: {{error}}."),
        meanwhile=Words(es=row.fallback[0], en=row.fallback[1]),
    )


_EVENTS: Mapping[str, AlertRow] = {
    "event_held": AlertRow(
        severity="",
        page="events.md",
        owner=Owner.FINANCE,
        sentences=_alone(
            "{type} {event}{whose:aside} está retenido: {cause:title}{named:aside}.",
            "{type} {event}{whose:aside} is held: {cause:title}{named:aside}.",
        ),
    ),
    "issuing_paused": AlertRow(
        severity="P1",
        page="events.md",
        owner=Owner.FINANCE,
        sentences={
            "minute": Words(
                es="La emisión de {issuer} está en pausa: habría pasado de {most} documentos en {minutes} min.",
                en="Issuing for {issuer} is paused: it would have gone past {most} documents within {minutes} min.",
            ),
            "day": Words(
                es="La emisión de {issuer} está en pausa: habría pasado de {most} documentos en un día.",
                en="Issuing for {issuer} is paused: it would have gone past {most} documents in a day.",
            ),
        },
        meanwhile=Words(
            es="Sus eventos se guardan y quedan retenidos; al reanudar la emisión en la página del emisor se emiten por"
            " orden de llegada",
            en="Its events are stored and held; once issuing is resumed on the issuer's page they are issued in order"
            " of arrival",
        ),
    ),
    "event_parked_too_long": AlertRow(
        severity="P2",
        page="events.md",
        owner=Owner.OPERATIONS,
        sentences=_alone(
            "{type} {event} sigue esperando: falta {missing:all}.", "{type} {event} still waits for {missing:all}."
        ),
    ),
    "internal_error": _of_code("internal_error", page="documents.md", owner=Owner.ENGINEERING),
    "sign_in_attempts": AlertRow(
        severity="P2",
        page="access.md",
        owner=Owner.COMPLIANCE,
        sentences={
            "login": Words(
                es="{tries} intentos de entrar con un mismo usuario en {minutes} min: se rechazan hasta que pasen.",
                en="{tries} tries to sign in by one login within {minutes} min: more are refused until they are over.",
            ),
            "address": Words(
                es="{tries} intentos de entrar desde una misma dirección en {minutes} min: se rechazan los demás.",
                en="{tries} tries to sign in from one address within {minutes} min: more are refused.",
            ),
        },
        ends_by_hand=True,
    ),
    "access_rule_broken": AlertRow(
        severity="P1",
        page="access.md",
        owner=Owner.ENGINEERING,
        sentences={
            "refusal_unrecorded": Words(
                es="La ruta {route} respondió {status} sin dejar la denegación en la bitácora; no salió nada.",
                en="The route {route} answered {status} with no refusal on record; nothing left.",
            ),
            "done_and_refused": Words(
                es="La ruta {route} respondió {status} y su acción consta como hecha; no salió nada.",
                en="The route {route} answered {status} with its action on record as done; nothing left.",
            ),
            "action_unrecorded": Words(
                es="La ruta {route} respondió {status} sin que conste {action} sobre lo que cargó; no salió nada.",
                en="The route {route} answered {status} without {action} on record about its load; nothing left.",
            ),
        },
        ends_by_hand=True,
    ),
    "cross_owner_read": AlertRow(
        severity="P1",
        page="access.md",
        owner=Owner.ENGINEERING,
        sentences=_alone(
            "Una puerta pidió {document} para {actor}, que no puede verlo; no salió nada.",
            "A door asked for {document} for {actor}, who may not see it; nothing left.",
        ),
        ends_by_hand=True,
    ),
}
_CUSTODY: Mapping[str, AlertRow] = {
    "document_stuck": AlertRow(
        severity="P2",
        page="documents.md",
        owner=Owner.OPERATIONS,
        sentences=_alone("{document} espera como ISSUED.", "{document} waits as ISSUED."),
    ),
    "document_quarantined": AlertRow(
        severity="P1",
        page="documents.md",
        owner=Owner.COMPLIANCE,
        sentences={
            "": Words(
                es="{document} no se entrega a nadie: {cause:title}.",
                en="{document} is withheld from everyone: {cause:title}.",
            ),
            "record_differs": Words(
                es="{document} no se entrega a nadie: {cause:title} ({columns}).",
                en="{document} is withheld from everyone: {cause:title} ({columns}).",
            ),
        },
        meanwhile=Words(
            es="Nadie lo recibe hasta que una persona lo resuelva", en="Nobody gets it until a person resolves it"
        ),
    ),
    "document_missing": AlertRow(
        severity="P1",
        page="documents.md",
        owner=Owner.COMPLIANCE,
        sentences=_alone(
            "Emitidos y sin fila en la base de datos, según la bitácora o la bóveda: {documents:all}.",
            "Issued and without a row in the database, by the log or the vault: {documents:all}.",
        ),
    ),
    "render_failed": _of_code("render_failed", page="renderer.md", owner=Owner.ENGINEERING),
    "render_timeout": _of_code("render_timeout", page="renderer.md", owner=Owner.OPERATIONS),
    **{
        code: _of_code(code, page="worm.md", owner=Owner.COMPLIANCE)
        for code in errors.CODES
        if code.startswith("worm_")
    },
    "vault_read_only": AlertRow(
        severity="P2",
        page="worm.md",
        owner=Owner.OPERATIONS,
        sentences=_alone(
            "LOCAL_READ_ONLY: el dueño de los ficheros aún podría borrarlos.",
            "LOCAL_READ_ONLY: the owner of the files could still remove them.",
        ),
    ),
    "audit_broken": AlertRow(
        severity="P1",
        page="audit.md",
        owner=Owner.COMPLIANCE,
        sentences={
            "": Words(
                es="La bitácora se podría reescribir: {weaknesses}.", en="The log could be rewritten: {weaknesses}."
            ),
            "sealed": Words(
                es="La bitácora no es la que se selló: {faults}.", en="The log is not what was sealed: {faults}."
            ),
        },
    ),
    "sealing_delayed": AlertRow(
        severity="P2",
        page="audit.md",
        owner=Owner.OPERATIONS,
        sentences=_alone(
            "Una transacción abierta hace {age_s} s (pid {pid}, {role}) retrasa el sellado de la bitácora.",
            "A transaction open for {age_s} s (pid {pid}, {role}) delays the sealing of the log.",
        ),
    ),
    "sealing_stopped": AlertRow(
        severity="P1",
        page="audit.md",
        owner=Owner.OPERATIONS,
        sentences=_alone(
            "La bitácora no se sella: {count} eventos esperan, el más antiguo desde hace {age_s} s.",
            "The log is not being sealed: {count} events wait, the oldest for {age_s} s.",
        ),
    ),
    "series_range_low": AlertRow(
        severity="P2",
        page="numbers.md",
        owner=Owner.FINANCE,
        sentences=_alone(
            "A la serie {series} le quedan {left} números de su rango autorizado.",
            "The series {series} has {left} numbers left of its authorised range.",
        ),
    ),
    "number_gap": AlertRow(
        severity="P1",
        page="numbers.md",
        owner=Owner.COMPLIANCE,
        sentences=_alone(
            "Serie {series}: {count} números entre {first} y {last} no tienen documento ({numbers}).",
            "Series {series}: {count} numbers between {first} and {last} have no document ({numbers}).",
        ),
    ),
    "number_duplicate": AlertRow(
        severity="P1",
        page="numbers.md",
        owner=Owner.COMPLIANCE,
        sentences={
            "surplus": Words(
                es="Serie {series}: sobran {count} documentos entre {first} y {last} ({numbers}).",
                en="Series {series}: {count} documents too many between {first} and {last} ({numbers}).",
            ),
            "behind": Words(
                es="Serie {series}: daría ahora el {next}, y el {highest} ya está dado.",
                en="Series {series}: it would give {next} next, but {highest} is given.",
            ),
        },
    ),
}
_ROWS: Mapping[str, AlertRow] = {
    **_EVENTS,
    **delivery_catalog.ALERTS,
    **process_catalog.ALERTS,
    **_CUSTODY,
    **{code: _of_discrepancy(row) for code, row in DISCREPANCIES.items()},
    **{f"dependency_{name}": _of_outage(row) for name, row in dependencies.DEPENDENCIES.items()},
}
ALERTS: Mapping[str, AlertRow] = {
    code: dataclasses.replace(row, meanwhile=row.meanwhile or meanwhile.of_code(code=code))
    for code, row in _ROWS.items()
}
# TABLE: code that is the cause of another alert, or only of a rule of Prometheus -> its page; else a held event's.
_OTHER_PAGES = {
    "audit_unavailable": "audit.md",
    "record_differs": "documents.md",
    "series_exhausted": "numbers.md",
    "dependency_degraded": "README.md",
    "document_unverified": "documents.md",
    "backup_old": "postgresql.md",
    "answers_failing": "processes.md",
}


def runbook(*, code: str) -> str:
    """Return the runbook's page and anchor of a code."""
    row = ALERTS.get(code)
    if row is not None:
        page = row.page
    elif code in _OTHER_PAGES:
        page = _OTHER_PAGES[code]
    elif code in errors.CODES and errors.CODES[code].severity:
        page = "events.md"  # right schema, cannot be issued as it is: a held event
    else:
        return f"{RUNBOOKS}/README.md"
    return f"{RUNBOOKS}/{page}#{code}"


def severity(*, code: str, values: Mapping[str, object]) -> str:
    """Return the severity of an alert: of its row, else that of its cause; P2 where neither has one."""
    row, cause = ALERTS[code], errors.CODES.get(str(values.get("cause", "")))
    return row.severity or (cause.severity if cause else "") or "P2"
