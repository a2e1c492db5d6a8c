"""The traceability page is true: each line of the seed has one row, whose code and tests exist, and none is open."""

import ast
import hashlib
import pathlib
import re

import pytest

from config import contracts, env

PAGE = env.BASE_DIR / "docs" / "TRACEABILITY.md"
ROWS = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if re.match(r"\| \d+ \|", line)]
NODE = re.compile(r"(tests/[\w/]+/test_\w+\.py)::(test_\w+)")
FILE = re.compile(r"`((?:audit|config|documents|payouts|docs|ops)/[\w./-]*)`")
SEED = env.BASE_DIR / "tests" / "invariants" / "seed.md"
SEED_SHA256 = "653e92a8754d1ad833c337c9b4ef7e4a13248f6e3b428c22a751f51168905218"  # the customer's text, as he gave it
SEED_LINE = re.compile(r"^\s*- (?:\[x\] )?(.*\S)", re.MULTILINE)
STILL_OPEN: set[int] = set()  # closing one means naming its test on the page and taking it out here


def known_in(path: str) -> set[str]:
    """Return the tests that a module has: what a comment, a text or another function names is none."""
    tree = ast.parse((env.BASE_DIR / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_a_seed_line_names_code_and_tests_that_exist(row: str) -> None:
    """A module is no answer: which of its tests shows the line has to be said."""
    code, shown = row.rsplit("|", 3)[1:3]
    named = re.findall(r"`([^`]+)`", shown)
    assert named or "**open**" in row
    for node in named:
        match = NODE.fullmatch(node)
        assert match, f"{node} is no test"
        assert match[2] in known_in(match[1]), f"{match[1]} has no {match[2]}"
    assert FILE.findall(code) or "this page" in code
    for path in FILE.findall(code):
        assert pathlib.Path(env.BASE_DIR / path).exists(), path


def test_every_line_of_the_seed_is_quoted_by_one_row() -> None:
    quoted = [row.split(" | ")[1] for row in ROWS]
    assert quoted == list(dict.fromkeys(SEED_LINE.findall(SEED.read_text(encoding="utf-8"))))
    assert [int(row.split("|")[1]) for row in ROWS] == list(range(1, len(ROWS) + 1))


def test_the_seed_is_the_customers_whole_and_unchanged() -> None:
    assert hashlib.sha256(SEED.read_bytes()).hexdigest() == SEED_SHA256


def test_the_origin_is_named_where_the_seed_asks_for_it() -> None:
    line = next(line for line in SEED_LINE.findall(SEED.read_text(encoding="utf-8")) if "Documento origen" in line)
    section = contracts.PAGE.read_text(encoding="utf-8").partition("\n## Trazabilidad\n")[2].partition("\n## ")[0]
    assert f"- {line}\n" in section
    assert line.split("`")[1] in PAGE.read_text(encoding="utf-8").partition("|")[0]


def test_what_is_still_open_is_said_and_nothing_more() -> None:
    assert {int(row.split("|")[1]) for row in ROWS if "**open**" in row} == STILL_OPEN
