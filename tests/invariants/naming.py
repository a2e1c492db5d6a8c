"""What a name in the documentation stands for: a module, function, class, column, setting or value of the product."""

import dataclasses
import functools
import importlib
from types import ModuleType

from django.conf import settings
from django.core.exceptions import FieldDoesNotExist
from django.db import models

from config import env

# A name is written without its floor, or without its room, where that says enough.
ROOMS = sorted(
    ".".join(path.parent.relative_to(env.BASE_DIR).parts) + "."
    for floor in ("audit", "config", "documents", "payouts")
    for path in (env.BASE_DIR / floor).rglob("__init__.py")
    if "migrations" not in path.parts
)
PLACES = ("", "documents.", "payouts.", "config.", "audit.", "documents.models.", "payouts.models.", *ROOMS, "tests.")


@functools.cache
def resolve(name: str) -> object | None:
    """Return what a dotted name stands for, or None."""
    for place in PLACES:
        thing = _resolve(place + name)
        if thing is not None:
            return thing
    return getattr(settings, name, None) if name.isupper() else None


def _resolve(path: str) -> object | None:
    module, rest = _module(path.split("."))
    thing: object | None = module
    for part in rest:
        thing = _member(thing, part)
    return thing


def _module(parts: list[str]) -> tuple[ModuleType | None, list[str]]:
    """Return the longest module that a path begins with, and what is left of the path."""
    found: ModuleType | None = None
    for length in range(1, len(parts) + 1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            return found, parts[length - 1 :]
    return found, []


def _member(thing: object | None, name: str) -> object | None:
    if isinstance(thing, type) and issubclass(thing, models.Model):
        try:
            return thing._meta.get_field(name)
        except FieldDoesNotExist:
            pass
    if isinstance(thing, type) and dataclasses.is_dataclass(thing):
        fields = {field.name: field for field in dataclasses.fields(thing)}
        if name in fields:
            return fields[name]
    return getattr(thing, name, None)
