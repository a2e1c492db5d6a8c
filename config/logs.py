"""How the service logs: a JSON object a line on stderr, with the fields of FIELDS and nothing else.

`django-structlog` writes a line for each request and task; our modules use `logging` with `extra`. What is bound to the
context (`structlog.contextvars`) stands in each line of the request or task. Who did what is in the audit log, under
the same `request`: no name, tax id, address, token or query is logged. So a line holds ids and codes of ours, an
exception shows its type and where it was raised and not its message, and texts of other packages are cleaned.
"""

import itertools
import logging
import pathlib
import smtplib
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import structlog
from django.db import Error, InterfaceError, OperationalError
from structlog.typing import EventDict, WrappedLogger

from audit import scrub
from config import env

# TABLE: what a line may hold beside time, level, logger and message. `event` is the id of a money event; `cause` the
# types of what was raised, the last one first; `trace` where, the innermost call first.
FIELDS = (
    *("request", "route", "status", "ms", "task", "task_id", "parent_task_id"),
    *("event", "document", "delivery", "notice", "alert", "item", "code", "severity", "dedup_key"),
    *("dependency", "answer", "count", "cause", "trace"),
)
OURS = ("audit", "config", "documents", "payouts", "django_structlog")
# These write addresses, with their tokens, or the arguments of tasks; the lines of `django_structlog` say the rest.
SILENT = ("django.request", "django.security", "django.server", "celery.app.trace", "gunicorn.access")
# What `django_structlog` calls the route and status of a request, and the time of a task.
RENAMED = {"request": "route", "code": "status", "duration_ms": "ms"}
TEXT_LENGTH_MAX, TRACE_LENGTH_MAX, FRAMES_MAX, CHAIN_MAX = 300, 4000, 25, 4
REDACTED = scrub.REDACTED
# Their messages come from a system and not from a person's data; of all others only the type is logged.
_SYSTEM = (OSError, EOFError, OperationalError, InterfaceError)
_SYSTEM_MODULES = ("redis.", "kombu.", "http.", "documents.operations.checks")


def settings(*, level: str) -> dict[str, Any]:
    """Set structlog up, and return Django's LOGGING; commands that a person types get readable lines."""
    logging.captureWarnings(capture=True)  # Python writes its warnings past every handler
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.EventRenamer("message"),
            _renamed,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": _formatter()},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "line"},
            "nowhere": {"class": "logging.NullHandler"},
        },
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            **{name: {"level": level} for name in OURS},
            **{name: {"handlers": ["nowhere"], "propagate": False} for name in SILENT},
            # They bring handlers of their own.
            **{name: {"handlers": [], "level": "WARNING", "propagate": True} for name in ("django", "gunicorn.error")},
        },
    }


def _formatter() -> dict[str, Any]:
    """Return what turns a record into a line, whether `structlog` or `logging` has made it."""
    as_json = structlog.processors.JSONRenderer(ensure_ascii=False)
    return {
        "()": structlog.stdlib.ProcessorFormatter,
        "processors": [line, structlog.processors.LogfmtRenderer() if env.is_command() else as_json],
        "foreign_pre_chain": [
            structlog.processors.EventRenamer("message"),
            structlog.stdlib.ExtraAdder(allow=FIELDS),
            structlog.contextvars.merge_contextvars,
        ],
    }


def line(_logger: WrappedLogger, _method: str, fields: EventDict) -> EventDict:
    """Return what is written of a record: the last processor before the renderer."""
    record: logging.LogRecord = fields["_record"]
    error = _raised(exc_info=fields.get("exc_info"))
    if error is not None:
        fields = {"cause": error, **fields, "trace": trace(error=error)}
    written: EventDict = {
        "time": structlog.processors.TimeStamper(fmt="iso", utc=True)(None, "", {})["timestamp"],
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": clean(text=str(fields["message"])),
    }
    for name in FIELDS:
        value = fields.get(name)
        if isinstance(value, BaseException):
            value = cause(error=value)
        if value is not None and value != "":
            limit = TRACE_LENGTH_MAX if name == "trace" else TEXT_LENGTH_MAX
            written[name] = value if isinstance(value, int | float) else clean(text=str(value), length_max=limit)
    return written


def clean(*, text: str, length_max: int = TEXT_LENGTH_MAX) -> str:
    """Return a text without secrets, addresses of mail, the tokens of links, queries and control characters."""
    return scrub.impersonal(value=text, length_max=length_max)


def cause(*, error: BaseException) -> str:
    """Return what was raised and what that came from, the last one first."""
    return " < ".join(_cause(error=each) for each in _chain(error=error))


def trace(*, error: BaseException) -> str:
    """Return the calls that led to an error and to what it came from, the innermost first."""
    parts = []
    for each in _chain(error=error):
        frames = [
            f"{_short(path=frame.filename)}:{frame.lineno} {frame.name}"
            for frame in reversed(traceback.extract_tb(each.__traceback__))
        ]
        parts.append(f"{type(each).__name__}: " + " < ".join(frames[:FRAMES_MAX]))
    return " | ".join(parts)


def _chain(*, error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it came from."""
    each: BaseException | None = error
    for _ in itertools.repeat(None, CHAIN_MAX):
        if each is None:
            return
        yield each
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)


def _cause(*, error: BaseException) -> str:
    """Return an error's type, with its code where it has one, and with its message where that comes from a system."""
    name = type(error).__name__
    codes = [getattr(error, field, "") for field in ("code", "sqlstate", "smtp_code")]
    constraint = getattr(getattr(error, "diag", None), "constraint_name", "")
    said = " ".join(str(each) for each in (*codes, constraint) if isinstance(each, str | int) and each)
    from_system = isinstance(error, _SYSTEM) or type(error).__module__.startswith(_SYSTEM_MODULES)
    if not said and from_system and not isinstance(error, smtplib.SMTPException):
        said = str(error).partition("\n")[0]  # PostgreSQL's second line repeats values
    if isinstance(error, Error) and not isinstance(error, _SYSTEM):
        said = ""  # the driver's own error, which is in the chain, has the code
    return f"{name}: {said}" if said else name


def _renamed(_logger: WrappedLogger, _method: str, fields: EventDict) -> EventDict:
    """Give what `django_structlog` says the names of FIELDS."""
    return {RENAMED.get(name, name): value for name, value in fields.items()}


def _raised(*, exc_info: object) -> BaseException | None:
    """Return the exception of a record, in whichever of its forms `logging` has it."""
    if isinstance(exc_info, tuple):
        exc_info = exc_info[1]
    elif exc_info is True:
        exc_info = sys.exc_info()[1]
    return exc_info if isinstance(exc_info, BaseException) else None


def _short(*, path: str) -> str:
    """Return a path from the project or from its package."""
    _, packages, name = path.rpartition("site-packages/")
    file = pathlib.Path(path)
    inside = file.is_relative_to(env.BASE_DIR) and not packages
    return str(file.relative_to(env.BASE_DIR)) if inside else name if packages else file.name
