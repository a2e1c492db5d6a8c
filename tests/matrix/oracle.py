"""Reads the oracle: `oracle.csv`, typed by hand from the product's table of roles. It knows nothing of the project.

A line is a route, a method, the right of the product's table that it needs, and whose the thing behind it is; under
each role stands what must come of it: `in`, `login` (who are you?), `missing` (404), or the refusal of a 403: `role`,
`owner`, `country`, `reason`. Lines of the door `right` say who has a right at all: `yes`, `no`.
"""

import csv
import dataclasses
import pathlib

_FILE = pathlib.Path(__file__).with_name("oracle.csv")
_STATED = ("door", "address", "method", "right", "relation")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MatrixCell:
    """One role before one route, and what must come of it."""

    door: str
    address: str
    method: str
    right: str
    relation: str
    role: str
    expected: str


def cells() -> list[MatrixCell]:
    """Return every cell."""
    with _FILE.open(encoding="utf-8", newline="") as file:
        return [
            MatrixCell(**{name: row[name] for name in _STATED}, role=role, expected=row[role])
            for row in csv.DictReader(file)
            for role in row
            if role not in _STATED
        ]
