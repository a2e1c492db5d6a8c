"""Whatever a page names exists: files, modules, functions, tables, columns, URLs, settings, metrics, alert codes, links.

A name is what stands between backticks. What is no name of this project stands in OUTSIDE, and nothing else does.
"""

import ast
import contextlib
import functools
import pathlib
import re
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.core.management import get_commands
from django.urls import Resolver404, resolve

from audit.actions import Action
from config import env
from documents.countries import pack
from documents.resilience import dependencies
from tests.invariants import naming
from tests.invariants.test_laws import files

ROOT = env.BASE_DIR
HISTORY = {"04-CHANGELOG.md"}  # says what was, under the names of its day
SEED = (ROOT / "tests" / "invariants" / "seed.md").read_text(encoding="utf-8")  # the customer's own words
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *(ROOT / "docs").rglob("*.md"))
    if path.name not in HISTORY and not {"var", ".venv"} & set(path.relative_to(ROOT).parts)
)
# A file is written from the root, from its page's folder, or from one of these.
FOLDERS = (
    "documents/countries",
    "docs/runbooks",
    "tests/samples",
    *(f"payouts/{room}" for room in ("calculation", "issuing", "review", "reconciliation")),
    *("config", "payouts", "documents"),
)
ALSO = [ROOT / "tests" / name for name in ("invariants/test_access.py", "journeys/test_month.py")]
# The first word of members of a JSON answer or of an event's data: `dependencies.clock.detail`, `payment.amount`.
MEMBERS = {"checks", "dependencies", "payment", "payout"}
ENDINGS = (".py", ".md", ".html", ".json", ".css", ".yml", ".toml", ".po", "/")
FENCE = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
IN_A_FILE = re.compile(r"`(?P<file>[\w/]+\.py)` \((?P<names>`\w+`(?:, `\w+`)*)[,)]")
OF_A_FILE = re.compile(r"(?P<names>`\w+`(?: and `\w+`)*) in `(?P<file>[\w/]+\.py)`")
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
TYPED = re.compile(r"([A-Z_]+=\S+ )*(make|billing-docs|\.venv/bin/\w+)( |$)")  # `test_typed_commands` reads these
# What the examples of contributing.md make.
MADE = re.compile(r"New file `([^`]+)`|`(templates/pdf/uy/[^`]+)`|(templates/pdf/payment_receipt/v2\.html)")

OUTSIDE = frozenset({
    # the operating system and its programs
    ".venv", "df", "dmesg", "mount", "lsattr", "sha256sum", "timedatectl", "chronyc tracking", "sudo apt-get install",
    "libpango-1.0-0 libpangoft2-1.0-0", "openssl s_client -starttls smtp -connect HOST:PORT",
    "curl -s localhost:8000/readyz", "bash", "curl", "openssl",
    "keyUsage", "systemctl reload nginx", "FROM=<your version> DRILLS=upgrade make deploy-lab", "archive_command", "primary_conninfo", "postgresql.auto.conf",
    # what a partner's program has
    "BILLING_URL", "BILLING_KEY", "BILLING_SECRET", "bdk_...", "whsec_...",
    """curl -m 10 -d '{}' -H 'Content-Type: application/json' "$ALERT_URL\"""",
    # PostgreSQL and Redis
    "UPDATE", "UPDATE ... RETURNING", "UPDATE ... WHERE lease = <its own>", "ENABLE ALWAYS", "ENABLE TRIGGER",
    "ALTER TABLE ... ENABLE ALWAYS TRIGGER ...", "SELECT count(*) FROM pg_stat_activity",
    "xid < pg_snapshot_xmin(pg_current_snapshot())", "id > last seen", "max + 1", "nextval", "max_connections",
    "INFO memory", "maxmemory", "session_replication_role", "ALTER ROLE ... PASSWORD",
    # Python, Django, pytest, Playwright, HTTP
    "KeyError", "QuerySet.update", "save()", "filter(status=..., lease=...).update(...)", "-n 0", "-s", "--pdb",
    "--dist loadgroup", "--traceback", "--pages FOLDER", "smtp.messages", "Retry-After", "Idempotency-Key",
    'page.screenshot(path="/tmp/page.png", full_page=True)', 'pathlib.Path("/tmp/one.pdf").write_bytes(result.pdf)',
    # forms and figures
    "YYYY-MM-DD", "?", "*", "22", "0.22", '"22"', '"22.00"', '"0.1"', '"0.18"', "[A-Za-z0-9_.-]{1,64}",
    r"-?(0\|[1-9][0-9]{0,14})(\.[0-9]+)?", "object.verb", "on_...", "ntc_...", "ARGS=line", "## dependency_<name>",
    "country pack PE: tax_codes.IGV18[0].rate: ...", "ES91 2100 **** **** **** 1332", "ES12345678Z", "#", "•", "xx",
    # the customer
    "API_CONTRACTS · billing-docs",
})  # fmt: skip


def spans(path: pathlib.Path) -> Iterator[str]:
    """Yield what a page names, code blocks apart: other tests run or read those."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    yield from dict.fromkeys(" ".join(span.split()) for span in SPAN.findall(text))


NAMED = [(path, span) for path in PAGES for span in spans(path)]
CONTRIBUTING = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
EXAMPLES = {made for found in MADE.findall(CONTRIBUTING) for made in found if made}


@functools.cache
def words() -> frozenset[str]:
    """Return every identifier and every text of the product, of its migrations and of the suite's own modules."""
    found: set[str] = set()
    suite = [
        path for path in files(apps=("tests",)) if not path.name.startswith("test_") or path.parent.name == "services"
    ]
    for path in [*files(migrations=True), *suite, *ALSO]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for name in ("id", "attr", "arg", "name", "value"):
                value = getattr(node, name, None)
                if isinstance(value, str):
                    found.add(value)
    found |= {
        word for one in apps.get_models() for word in (one._meta.db_table, *(f.name for f in one._meta.get_fields()))
    }
    found |= set(get_commands())
    found |= {f"dependency_{name}" for name in dependencies.DEPENDENCIES}
    found |= set(re.findall(r"- alert: (\w+)", (ROOT / "ops" / "alerts.yml").read_text(encoding="utf-8")))
    found |= set(re.findall(r"\b[a-z]+\b", (ROOT / "Makefile").read_text(encoding="utf-8")))
    return frozenset(found)


@functools.cache
def hosts() -> str:
    """Return what the lab types on hosts and what is shipped for them, as one text."""
    shipped = [path for path in (ROOT / "ops").rglob("*") if path.is_file()]
    typed = [text for page in PAGES for text in FENCE.findall(page.read_text(encoding="utf-8"))]
    return "\n".join([*(path.read_text(encoding="utf-8") for path in shipped), *typed])


@functools.cache
def source() -> str:
    """Return the product's code as one text, with the Makefile and the templates."""
    paths = [*files(migrations=True), *(ROOT / "templates").rglob("*.html"), ROOT / "Makefile", ROOT / "pyproject.toml"]
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def is_path(page: pathlib.Path, span: str) -> bool:
    """Tell whether a span is a file or folder; `<kind>` stands for any name."""
    if any(made == span or made.endswith(f"/{span}") for made in EXAMPLES):
        return True
    pattern = re.sub(r"<[^>]+>|\bxx\b", "*", span).rstrip("/")
    if pattern.startswith("templates/pdf/*/*/"):  # a country's own template: there may be none yet
        return True
    bases = [ROOT, page.parent, *(ROOT / folder for folder in FOLDERS)]
    return bool(pattern) and any(next(base.glob(pattern), None) for base in bases)


def is_address(span: str) -> bool:
    """Tell whether a span is a URL of this service; `...` and `{id}` stand for any word."""
    path = re.sub(r"\.\.\.|\{\w+\}|<[^>]+>", "x", span.rpartition(" ")[2])
    for end in ("", "/"):
        with contextlib.suppress(Resolver404):
            if resolve(path + end).url_name not in {"api-unknown", "link-unknown"}:  # the rows for what does not exist
                return True
    return False


def is_word(span: str) -> bool:
    """Tell whether a span is an identifier, a text, a code or a metric of the product."""
    service = span.removeprefix("WEBHOOK_SECRET_").lower()
    return (
        span in words()
        or span.removesuffix("_total") in words()
        or service in env.SERVICES
        or any(span in country.tax_codes for country in pack.registry().values())
    )


def is_assigned(span: str) -> bool:
    """Tell whether `NAME=value`, `name: value` or `name{label}` begins with a name that exists."""
    name = re.split(r"=|: |\{", span, maxsplit=1)[0]
    return name != span and (is_dotted(name) or (IDENTIFIER.fullmatch(name) is not None and is_word(name)))


def is_family(span: str) -> bool:
    """Tell whether `worm_*` or `audit_guard_...` begins names that exist."""
    family = span.removesuffix("*").removesuffix("...")
    return family != span and family.endswith("_") and any(word.startswith(family) for word in words())


def is_subject(span: str) -> bool:
    """Tell whether `order:ord_1` begins with what an event may wait for."""
    word, colon, _ = span.partition(":")
    return bool(colon) and f'f"{word}:{{' in source()


def is_call(span: str) -> bool:
    """Tell whether `module.function(...)` or `Class(...)` names a function or class."""
    name, bracket, _ = span.partition("(")
    return bool(bracket) and (is_dotted(name) or (IDENTIFIER.fullmatch(name) is not None and is_word(name)))


def is_dotted(span: str) -> bool:
    """Tell whether a span is a dotted name: of code, an audit action, a check, or a member of a JSON object."""
    parts = span.split(".")
    if len(parts) == 1 or not all(IDENTIFIER.fullmatch(part) for part in parts):
        return False
    return (
        naming.resolve(span) is not None
        or span in set(Action)
        or f'id="{span}"' in source()
        or (parts[0] in MEMBERS and all(is_word(part) for part in parts))
    )


def is_text(span: str) -> bool:
    """Tell whether a span is a sentence or a line of code of the product, or one that the examples print."""
    proven = (ROOT / "tests" / "invariants" / "test_contributing.py").read_text(encoding="utf-8")
    return not IDENTIFIER.fullmatch(span) and (span in source() or f'"{span}"' in proven or f"'{span}'" in proven)


def exists(page: pathlib.Path, span: str) -> bool:
    if span in OUTSIDE or TYPED.match(span) or f"`{span}`" in SEED:
        return True
    if page.parent.name == "operations" and span in hosts():
        return True
    if span.startswith(("/", "GET /", "POST /", "PUT /")):
        return is_address(span)
    if " " not in span and span.endswith(ENDINGS) and "(" not in span:
        return is_path(page, span) or span == "content.json"  # in each PDF
    if span.startswith("tests/"):
        path, _, name = span.partition("::")
        return is_path(page, path) and (not name or f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"))
    kinds = (is_word, is_dotted, is_family, is_call, is_assigned, is_subject, is_text)
    return any(is_one(span) for is_one in kinds) or is_path(page, span)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_whatever_a_page_names_exists(page: pathlib.Path) -> None:
    assert [span for path, span in NAMED if path == page and not exists(page, span)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_somewhere(page: pathlib.Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        if path.startswith("https://"):
            continue
        linked = page.parent / path if path else page
        assert linked.exists(), target
        titles = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
        assert not anchor or anchor in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def test_what_is_named_behind_a_file_is_in_that_file() -> None:
    named = [
        (found["file"], name)
        for page in PAGES
        for pattern in (IN_A_FILE, OF_A_FILE)
        for found in pattern.finditer(" ".join(page.read_text(encoding="utf-8").split()))
        for name in SPAN.findall(found["names"])
    ]
    assert len(named) > 10
    for path, name in named:
        file = next(file for file in (ROOT / path, ROOT / "documents" / path, ROOT / "payouts" / path) if file.exists())
        assert re.search(rf"\b{re.escape(name)}\b", file.read_text(encoding="utf-8")), f"{path} has no {name}"


@pytest.mark.parametrize(
    "span",
    [
        "documents/emission/absent.py",
        "absent.py",
        "emission.issuing.absent",
        "document.absented",
        "access.E099",
        "docs_absent_total",
        "docs_absent_total{code}",
        "ABSENT_URL",
        "absent_*",
        "/absent/",
        "POST /api/v1/absent/",
        "absent:abs_1",
        "absent(...)",
        "no sentence of the product",
        "tests/documents/test_money.py::test_absent",
    ],
)
def test_a_name_that_does_not_exist_would_be_noticed(span: str) -> None:
    assert not exists(ROOT / "README.md", span)


def test_nothing_stands_outside_that_no_page_says() -> None:
    assert sorted(OUTSIDE - {span for _, span in NAMED}) == []
