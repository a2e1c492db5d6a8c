"""One meaning a word: names of values, of types, of modules and of tests, read from the code itself."""

import ast
import pathlib
import re
from collections import Counter

from config import env
from tests.invariants.test_laws import PRODUCT, files, trees

# Names that say nothing of a value; as names of functions they are verbs.
EMPTY_NAMES = frozenset({"told", "under", "found", "one", "at", "keep", "take", "words"})
EMPTY_NAMES_ALLOWED = {
    "audit/models.py: at": "a member of the sealed leaf, whose encoding never changes",
    "audit/leaf.py: at": "the same",
}
# Names of earlier versions; each of them meant several things, or nothing. What stands for them now: docs/glossary.md.
GIVEN_UP = frozenset(
    {
        *("Premises", "premises", "Standing", "Reckoned", "reckon", "picks", "plight", "standstill", "suspicions"),
        *("look_again", "settled_at", "SettlementRequest", "Closing", "hold_payee", "hold_still", "unless_given_up"),
        *("Doorbell", "ring", "Degraded", "secretive", "dossier", "desk", "DeskAdmin", "crew", "showcase", "torture"),
        *("spoken", "wording", "closed_by"),
    }
)
SAME_CLASS_NAMES = {
    "Meta": "Django's",
    "Command": "Django's",
    "DatabaseWrapper": "Django's, asked of each backend",
    "Event": "one of the audit log, one of the platform",
}
BANNED = {
    "utils",
    "util",
    "helpers",
    "helper",
    "manager",
    "managers",
    "handler",
    "handlers",
    "process",
    "misc",
    "common",
}


def test_no_value_bears_a_name_that_says_nothing() -> None:
    named = {
        f"{path}: {name}"
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute | ast.arg | ast.keyword | ast.alias)
        if (name := _value_name(node)) and name.strip("_") in EMPTY_NAMES
    }
    assert named == set(EMPTY_NAMES_ALLOWED)


def _value_name(node: ast.Name | ast.Attribute | ast.arg | ast.keyword | ast.alias) -> str | None:
    """Return the name that a node gives to a value: a variable, an attribute, a parameter, an argument, an alias."""
    if isinstance(node, ast.arg | ast.keyword):
        return node.arg
    if isinstance(node, ast.alias):
        return node.asname
    if not isinstance(node.ctx, ast.Store):
        return None
    return node.id if isinstance(node, ast.Name) else node.attr


def test_no_name_that_was_given_up_comes_back() -> None:
    named = {
        f"{path}: {name}"
        for path, tree in trees()
        for node in ast.walk(tree)
        for word in ("id", "attr", "arg", "name", "asname")
        if isinstance(name := getattr(node, word, None), str) and name.strip("_") in GIVEN_UP
    }
    assert named | {path for path, _ in trees() if pathlib.PurePath(path).stem in GIVEN_UP} == set()


def test_a_class_name_means_one_class() -> None:
    """A name for a type counts too: `Row = dict[str, Any]`. One that only repeats another module's is no second one."""
    named: Counter[str] = Counter()
    for path in files(apps=(*PRODUCT, "tests", "benchmarks")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named.update(node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
        named.update(name for node in tree.body if (name := _type_name(node)))
    assert {name for name, count in named.items() if count > 1} == set(SAME_CLASS_NAMES)


def _type_name(node: ast.stmt) -> str | None:
    """Return the name that a statement gives to a type: in capitals and small letters, as a class has it."""
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return None
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    if not isinstance(target, ast.Name) or not re.fullmatch(r"_?[A-Z][A-Za-z]*[a-z][A-Za-z]*", target.id):
        return None
    return None if isinstance(node.value, ast.Attribute) and node.value.attr == target.id else target.id


def test_no_module_has_a_name_that_says_nothing() -> None:
    named = {part for path in files() for part in (*path.relative_to(env.BASE_DIR).parent.parts, path.stem)}
    assert named & BANNED == set()


def test_every_tests_name_is_a_sentence() -> None:
    short = [
        f"{path.name}: {node.name}"
        for path in files(apps=("tests",))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and node.name.count("_") < 3
    ]
    assert short == []
