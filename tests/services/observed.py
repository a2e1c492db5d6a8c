"""What rules and dashboard read of `/metrics`, and what of it a page lacks."""

import json
import pathlib
import re
from collections.abc import Iterator

import yaml

OPS = pathlib.Path(__file__).resolve().parent.parent.parent / "ops"
SELECTOR = re.compile(r"\b(docs_\w+|django_\w+|up)(:\w+)?\b(?:\{([^}]*)\})?")
EQUAL = re.compile(r'(\w+)="([^"$]*)"')


def expressions() -> Iterator[tuple[str, str]]:
    """Yield every query with the place where it stands: rules first, then the dashboard's panels and variables."""
    for group in yaml.safe_load((OPS / "alerts.yml").read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            yield rule.get("alert") or rule["record"], rule["expr"]
    dashboard = json.loads((OPS / "dashboard.json").read_text(encoding="utf-8"))
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]


def recorded() -> set[str]:
    """Return the names that recording rules make."""
    groups = yaml.safe_load((OPS / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}


def missing(*, page: str) -> list[str]:
    """Return what the queries name and a page of `/metrics` has no series of: a name, or one with a label's value."""
    lines = [line for line in page.splitlines() if line and not line.startswith("#")]
    lacks = []
    for place, query in expressions():
        for name, colon, labels in SELECTOR.findall(query):
            if name == "up" or f"{name}{colon}" in recorded():
                continue
            series = [line for line in lines if line.startswith((f"{name}{{", f"{name} "))]
            wanted = [f'{label}="{value}"' for label, value in EQUAL.findall(labels)]
            if not any(all(pair in line for pair in wanted) for line in series):
                lacks.append(f"{place}: {name} {' '.join(wanted)}")
    return lacks
