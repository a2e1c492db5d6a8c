"""Writes `docs/API_CONTRACTS.md`, the seed's own document, from the tables by which the service works.

Its sections are the seed's and stand in its order. What they say is read from the OpenAPI document, the access table,
the table of errors, the table of dependencies, the drills and the page of traceability, so that none says it twice.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from django.urls import get_resolver
from drf_spectacular.generators import SchemaGenerator

from config import checks, env
from config.drills import drills
from documents import catalog, errors
from documents.access import idempotency, roles
from documents.access.admission import AccessRule, Door
from documents.resilience import dependencies

PAGE = env.BASE_DIR / "docs" / "API_CONTRACTS.md"
CHANGELOG = env.BASE_DIR / "docs" / "04-CHANGELOG.md"
TRACEABILITY = env.BASE_DIR / "docs" / "TRACEABILITY.md"
SECTIONS = (
    *("Endpoints", "Auth", "Códigos de error", "Idempotency"),
    *("Control operativo verificable", "Trazabilidad", "Checklist de calidad documental"),
)
DASHBOARD = "https://grafana.aventide.gift/d/billing-docs/dominio-billing-docs-operacion"
TICKET = "https://jira.aventide.gift/browse/OPS-BILLINGDOCS-241"
METHODS = ("get", "post", "put", "patch", "delete")
_ROW = re.compile(r"\| (\d+) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
_VALIDATED = re.compile(
    r"^## Operational validation (\d{4}-\d{2}-\d{2}) [\d:]+ UTC\n(?:- .*\n)*?- Result: (.+)$", re.MULTILINE
)
DOORS: Mapping[Door, str] = {
    Door.API: "a key of the API (`Authorization: Bearer`), or a session of the panel or the Document Center",
    Door.WEB: "a session of the panel: a code of six digits by mail",
    Door.LINK: "the token in the address, and the answer to a question where the document needs one",
    Door.ADMIN: "a session with a second factor: password, then an app's code, a security key or a recovery code",
    Door.WEBHOOK: "the signature of id, time and raw body by the service's secret, at most five minutes off",
    Door.PUBLIC: "nothing, or `METRICS_TOKEN` for `/metrics` and the long `/readyz`: no personal data is there",
}
# What the tables do not say, in words.
LISTS = """\
Each refusal for want of a right is an event of its own (`access.denied`), which survives the rollback of what was
refused. Webhooks in: `POST /api/v1/events/`, its types and fields in [events.md](events.md).
How long drivers wait is `docs_driver_api_latency_p95{country}` on `/metrics`, for whoever has `METRICS_TOKEN` or asks
from an inner address.

Lists come in pages of up to 100 (`limit`): while `has_more`, ask again with `cursor`, which is `next_cursor`. A file is
whole if its SHA-256 is the document's `file.sha256`; `Content-Digest` says the same of what is sent. First calls, with
the service's address as `BILLING_URL` and a key of scopes `read`, `content` and `links` as `BILLING_KEY`:
"""
REFUSALS = """\
Every refusal over the API is `application/problem+json` with one of these codes, and pages for people say it in HTML;
each code has its page, `/errors/{code}/`. A 429, 500 or 503 that may be tried again names `Retry-After`, in seconds.

A signed event that cannot be issued as it is, is not refused: it is stored and answered 202 with `status` `held` and
the code, or `parked` with what is missing: what helps is a corrected one, not the same again. The column HTTP is of
requests of persons. Codes of the vault and the renderer are the cause for which a document waits or is withheld.
"""
KEYS = f"""\
- A change over the API is done once for its `Idempotency-Key`, 8 to 128 characters of `A-Z a-z 0-9 _ -`: the same
  request by the same party or user gets its first answer again, with `{idempotency.REPLAYED}`, for
  {idempotency.LIFE.days} days; secrets in it (the address of a link) are told the first time alone.
- The same key with another body is 422 `idempotency_key_reused`; while the first is at work, 409
  `idempotency_in_progress`. Refusals of a moment (401, 403, 409, 429, 5xx) are not kept: try again with the same key.
"""
# What a partner's program does first; a test runs it as it stands, so it needs nothing but a shell, curl and openssl.
FIRST_CALLS = """\
set -eu
ask() { curl -sS --fail-with-body -H "Authorization: Bearer $BILLING_KEY" "$@"; }
ask "$BILLING_URL/api/v1/me/"
next=""
: > ids.txt
while :; do
  ask -G -d status=LOCKED -d limit=1 ${next:+--data-urlencode "cursor=$next"} "$BILLING_URL/api/v1/documents/" \\
    > page.json
  grep -o '"id":"doc_[^"]*"' page.json | cut -d '"' -f 4 >> ids.txt
  next=$(sed -n 's/.*"next_cursor":"\\([^"]*\\)".*/\\1/p' page.json)
  test -n "$next" || break
done
id=$(head -n 1 ids.txt)
sha256=$(ask "$BILLING_URL/api/v1/documents/$id/" | grep -o '"sha256":"[^"]*"' | cut -d '"' -f 4)
ask -o document.pdf "$BILLING_URL/api/v1/documents/$id/content/"
test "$sha256" = "$(openssl dgst -sha256 -r document.pdf | cut -d ' ' -f 1)"
key=$(openssl rand -hex 16)
for try in 1 2; do
  ask -D "answer-$try.txt" -H 'Content-Type: application/json' -H "Idempotency-Key: $key" -d '{}' \\
    "$BILLING_URL/api/v1/documents/$id/links/" > "link-$try.json"
done
grep -qi '^idempotent-replayed: true' answer-2.txt
"""
# Which check of the seed's list is kept by which test.
CHECKS: Mapping[str, str] = {
    "Completitud: secciones obligatorias del archivo cubiertas.": "config/test_contracts.py",
    "No placeholders: contenido accionable y verificable.": "config/test_contracts.py",
    "Trazabilidad a docx: referencia explícita al documento origen.": "invariants/test_traceability.py",
    "Consistencia terminológica con el dominio e invariantes.": "invariants/test_glossary.py",
}


def page() -> str:
    """Return the whole page as Markdown."""
    parts = (_endpoints(), _auth(), _codes(), _idempotency(), _operations(), _traceability(), _checklist())
    lines = [
        "# API_CONTRACTS · billing-docs",
        "",
        "Written by `make manage ARGS=api_contracts` from the tables by which the service works; a test compares it.",
        "Requests and answers whole: [openapi.yaml](openapi.yaml). The first hour: [quickstart.md](quickstart.md).",
    ]
    for section, part in zip(SECTIONS, parts, strict=True):
        lines += ["", f"## {section}", "", *part]
    return "\n".join(lines) + "\n"


def last_validation(*, changelog: Path = CHANGELOG) -> tuple[str, str]:
    """Return the UTC date and the result of the newest validation of operations on record.

    :raises LookupError: where there is none
    """
    entries: list[tuple[str, str]] = _VALIDATED.findall(changelog.read_text(encoding="utf-8"))
    if not entries:
        raise LookupError(f"{changelog.name} has no validation of operations")
    return entries[-1]


def _operations_of_api() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each operation of the OpenAPI document as `METHOD /path` and what it says."""
    schema: Mapping[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    for path, item in schema["paths"].items():
        for method in METHODS:
            if method in item:
                yield f"{method.upper()} {path}", item[method]


def _endpoints() -> Iterator[str]:
    """Yield the operations of the API, then the doors beside it."""
    rows = [
        (
            f"`{name}`",
            ", ".join(operation["x-roles"]),
            operation["x-ownership"],
            operation["x-audit"],
            operation.get("x-scope") or "-",
        )
        for name, operation in _operations_of_api()
    ]
    yield f"{len(rows)} operations. Each names who may call it, whose things it is about, and what the log says of it."
    yield ""
    yield from _table(head=("operation", "roles", "ownership", "audit event", "scope of a key"), rows=rows)
    yield ""
    yield from LISTS.splitlines()
    yield ""
    yield from ("```bash", *FIRST_CALLS.splitlines(), "```")


def _auth() -> Iterator[str]:
    """Yield the doors with how each knows who comes, then the rights of the roles."""
    counts: dict[Door, int] = dict.fromkeys(Door, 0)
    for _place, pattern in checks.patterns(get_resolver()):
        rule = getattr(pattern, "rule", None)
        if isinstance(rule, AccessRule):
            counts[rule.door] += 1
    rows = [(f"`{door.value}`", str(counts[door]), DOORS[door]) for door in Door]
    yield from _table(head=("door", "routes", "who comes is known by"), rows=rows)
    yield ""
    rights = [(f"`{right}`", ", ".join(sorted(who))) for right, who in roles.RIGHTS.items()]
    yield from _table(head=("right", "roles"), rows=rights)


def _codes() -> Iterator[str]:
    """Yield the table of errors; P1 are the broken promises of the vault and of the series."""
    yield from REFUSALS.splitlines()
    yield ""
    rows = [
        (f"`{name}`", str(code.status), "yes" if code.retryable else "no", code.severity or "-", code.es, code.en)
        for name, code in errors.CODES.items()
    ]
    yield from _table(head=("code", "HTTP", "try again", "alert", "es", "en"), rows=rows)


def _idempotency() -> Iterator[str]:
    """Yield what makes a repeat harmless: for events, for documents, for changes over the API."""
    yield "- An event is known by its sender and id: a repeat gets the first answer; one that says something else is a"
    yield "  discrepancy and changes nothing. See [events.md](events.md)."
    yield "- A document is known for ever by its document key: of the same key there is one document, whoever asks and"
    yield "  however often. Kinds: " + ", ".join(f"`{kind.value}`" for kind in catalog.TABLE) + "."
    yield from KEYS.splitlines()
    yield ""
    rows = [
        (f"`{name}`", "may have" if name.partition(" ")[0] in idempotency.OPTIONAL else "must have")
        for name, operation in _operations_of_api()
        if operation.get("x-idempotency-key")
    ]
    yield from _table(head=("operation", "an `Idempotency-Key`"), rows=rows)


def _operations() -> Iterator[str]:
    """Yield the owner, the last validation, its evidence, the dependencies and the drills."""
    date, result = last_validation()
    yield "- Owner: `Equipo billing-docs`"
    yield f"- Fecha de última validación: {date} (UTC), {result}"
    yield "- Evidencias:"
    yield "  - `Ticket JIRA: OPS-BILLINGDOCS-241`"
    yield "  - `Bitácora de validación: docs/04-CHANGELOG.md`, to which `make manage ARGS=validate_operations` appends"
    yield "- Dashboards o tickets (addresses of the customer's own servers; the dashboard is `ops/dashboard.json`):"
    yield f"  - `{DASHBOARD}`"
    yield f"  - `{TICKET}`"
    yield ""
    yield from _table(head=("drill", "shows"), rows=[(f"`{drill.name}`", drill.shows) for drill in drills.DRILLS])
    yield ""
    rows = [
        (
            f"`{row.name}`",
            f"{row.connect_s:g} / {row.total_s:g} s",
            "endless" if row.attempts_max >= dependencies.ENDLESS else str(row.attempts_max),
            f"{row.backoff_base_s:g} to {row.backoff_cap_s:g} s, full jitter",
            row.fallback[1],
            row.alert_severity,
        )
        for row in dependencies.DEPENDENCIES.values()
    ]
    yield from _table(head=("dependency", "connect / total", "tries", "backoff", "fallback", "alert"), rows=rows)


def _traceability() -> Iterator[str]:
    """Yield the origin, and where each line of the seed is kept."""
    yield "- Documento origen: `facturacion--documentos-260207_0805.docx`"
    yield ""
    yield "Each line with its code and its tests: [TRACEABILITY.md](TRACEABILITY.md)."
    yield ""
    rows = [
        (number, line, code) for number, line, code, _tests in _ROW.findall(TRACEABILITY.read_text(encoding="utf-8"))
    ]
    yield from _table(head=("#", "seed line", "code"), rows=rows)


def _checklist() -> Iterator[str]:
    """Yield the seed's list with the test that keeps each promise."""
    yield from (f"- [x] {check} (`tests/{test}`)" for check, test in CHECKS.items())


def _table(*, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield a Markdown table; a bar within a cell is escaped."""
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
