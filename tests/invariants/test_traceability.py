"""The traceability page is true: what it names exists, and what it leaves open is said, line by line."""

import pathlib
import re

import pytest

from config import env

PAGE = env.BASE_DIR / "docs" / "TRACEABILITY.md"
ROWS = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if re.match(r"\| \d+ \|", line)]
NODE = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
FILE = re.compile(r"`((?:audit|config|documents|payouts|docs|ops)/[\w./-]*)`")
SEED = env.BASE_DIR / "tests" / "invariants" / "seed.md"
SEED_LINE = re.compile(r"^\s*- (?:\[x\] )?(.*\S)", re.MULTILINE)
STILL_OPEN: set[int] = set()  # closing one means naming its test on the page and taking it out here


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_a_seed_line_names_code_and_tests_that_exist(row: str) -> None:
    named = NODE.findall(row)
    assert named or "**open**" in row
    for path, name in named:
        text = (env.BASE_DIR / path).read_text(encoding="utf-8")
        assert not name or f"def {name}(" in text, f"{path} has no {name}"
    for path in FILE.findall(row):
        assert pathlib.Path(env.BASE_DIR / path).exists(), path


def test_every_line_of_the_seed_is_quoted_by_one_row() -> None:
    quoted = [row.split(" | ")[1] for row in ROWS]
    assert quoted == list(dict.fromkeys(SEED_LINE.findall(SEED.read_text(encoding="utf-8"))))
    assert [int(row.split("|")[1]) for row in ROWS] == list(range(1, len(ROWS) + 1))
    origin = SEED.read_text(encoding="utf-8").partition("Documento origen: ")[2].split("`")[1]
    assert origin in PAGE.read_text(encoding="utf-8").partition("|")[0]


def test_what_is_still_open_is_said_and_nothing_more() -> None:
    assert {int(row.split("|")[1]) for row in ROWS if "**open**" in row} == STILL_OPEN
