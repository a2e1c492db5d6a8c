"""The laws of the house, read from the code itself: what a reviewer would have to look for in every change."""

import ast
import functools
import pathlib
import re
import tomllib
from collections.abc import Iterator

import pytest

from config import env

PRODUCT = ("audit", "config", "documents", "payouts")
FILE_LINES_MAX, FUNCTION_LINES_MAX = 300, 40
# TABLE: what is longer -> how long it is and why it stays whole. Only shrinks: nothing is added, and nothing grows.
LONG_FILES: dict[str, tuple[int, str]] = {}
LONG_FUNCTIONS: dict[str, tuple[int, str]] = {
    "tests/factories.py:_issue": (62, "one row, each column on a line of its own"),
}
# Lines with `noqa` or `type: ignore`, and codes of per-file-ignores, tests included. Only comes down.
LINTER_EXCEPTIONS_MAX = 82
# The line says what happens, not when: `now` comes in from the door.
LINE = (
    *("documents/events/", "documents/emission/", "documents/delivery/"),
    *("documents/distribution.py", "documents/custody/"),
)
# What import-linter cannot forbid, for it knows other people's packages only as a whole.
ROOMS_WITHOUT_ADMIN = (*LINE, "documents/rendering/", "documents/vault/")
BIG_TABLES = {
    "Document",
    "DocumentKey",
    "Event",
    "EventDetail",
    "Wait",
    "Delivery",
    "Link",
    "Payout",
    "Settlement",
    "Party",
}


def files(*, apps: tuple[str, ...] = PRODUCT, migrations: bool = False) -> list[pathlib.Path]:
    found = [path for app in apps for path in (env.BASE_DIR / app).rglob("*.py")]
    return sorted(path for path in found if migrations or "migrations" not in path.parts)


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in files():
        yield path.relative_to(env.BASE_DIR).as_posix(), tree(path)


@functools.cache
def tree(path: pathlib.Path) -> ast.Module:
    """Return a file, parsed once for all laws."""
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(tree: ast.AST, *, inside: str = "") -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield every function with its dotted name in the file."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{inside}{node.name}"
            if not isinstance(node, ast.ClassDef):
                yield name, node
            yield from functions(node, inside=f"{name}.")
        else:
            yield from functions(node, inside=inside)


def _assert_kept(*, lengths: dict[str, int], most: int, table: dict[str, tuple[int, str]]) -> None:
    long = {name: length for name, length in lengths.items() if length > most}
    assert {name: length for name, length in long.items() if name not in table} == {}, "too long"
    assert {name: length for name, length in long.items() if length > table[name][0]} == {}, "grown"
    assert set(table) - set(long) == set(), "no longer too long: take it out of the table"
    assert all(reason for _, reason in table.values())


def test_no_file_is_too_long_to_be_read_in_one_sitting() -> None:
    texts = {path.relative_to(env.BASE_DIR).as_posix(): path.read_text(encoding="utf-8") for path in files()}
    lengths = {name: len(text.splitlines()) for name, text in texts.items()}
    _assert_kept(lengths=lengths, most=FILE_LINES_MAX, table=LONG_FILES)


def test_no_function_is_longer_than_a_screen() -> None:
    lengths = {
        f"{path.relative_to(env.BASE_DIR).as_posix()}:{name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path in files(apps=(*PRODUCT, "tests", "benchmarks"))
        for name, node in functions(tree(path))
    }
    _assert_kept(lengths=lengths, most=FUNCTION_LINES_MAX, table=LONG_FUNCTIONS)


def test_the_exceptions_from_linter_and_types_only_become_fewer() -> None:
    inline = [
        line
        for path in [*files(apps=(*PRODUCT, "tests", "benchmarks"), migrations=True), env.BASE_DIR / "manage.py"]
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"# *(noqa|type: ignore)", line) and path.name != "test_laws.py"
    ]
    settings = tomllib.loads((env.BASE_DIR / "pyproject.toml").read_text(encoding="utf-8"))
    for_files = [code for codes in settings["tool"]["ruff"]["lint"]["per-file-ignores"].values() for code in codes]
    assert len(inline) + len(for_files) <= LINTER_EXCEPTIONS_MAX


def test_what_calls_itself_pure_is_kept_pure() -> None:
    settings = tomllib.loads((env.BASE_DIR / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (row for row in settings["tool"]["importlinter"]["contracts"] if row["id"] == "pure")
    rooms = tuple(f"{room.replace('.', '/')}" for room in contract["source_modules"])
    calling = {path for path, tree in trees() if re.search(r"\b[Pp]ure\b", ast.get_docstring(tree) or "")}
    assert len(calling) > 10
    assert {path for path in calling if not path.startswith(rooms)} == set()


def test_no_package_does_anything_when_it_is_imported() -> None:
    for path, tree in trees():
        if path.endswith("__init__.py"):
            for node in tree.body:
                said = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
                listed = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
                assert said or listed or isinstance(node, ast.Import | ast.ImportFrom), f"{path}:{node.lineno}"


def test_no_docstring_begins_with_what_it_describes() -> None:
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                assert not (ast.get_docstring(node) or "").startswith("This "), f"{path}: {node}"


def test_no_signal_moves_anything_behind_the_callers_back() -> None:
    for name, tree in trees():
        for node in ast.walk(tree):
            imported = f"{node.module}" if isinstance(node, ast.ImportFrom) else ""
            assert not imported.startswith(("django.db.models.signals", "django.dispatch")), name
            if isinstance(node, ast.Name):
                assert node.id not in {"post_save", "pre_save", "post_delete", "pre_delete", "m2m_changed"}, name


def test_no_save_or_delete_of_a_model_does_more_than_it_says() -> None:
    for name, tree in trees():
        if not name.endswith("models.py") and "/models/" not in name:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                assert node.name not in {"save", "delete", "full_clean", "clean"}, f"{name}: {node.name}"


def test_no_big_table_has_an_order_that_nobody_asked_for() -> None:
    for name, tree in trees():
        for model in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name in BIG_TABLES):
            for meta in (one for one in model.body if isinstance(one, ast.ClassDef) and one.name == "Meta"):
                targets = {
                    ast.unparse(one.targets[0] if isinstance(one, ast.Assign) else one.target)
                    for one in meta.body
                    if isinstance(one, ast.Assign | ast.AnnAssign)
                }
                assert "ordering" not in targets, f"{name}: {model.name}"


def test_only_one_file_reads_the_environment() -> None:
    readers = {
        name
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv"}
    }
    assert readers == {"config/env.py"}


def test_only_one_file_tries_a_transaction_again() -> None:
    tries = {
        name
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in {"40P01", "40001"}
    }
    assert tries == {"documents/transactions.py"}


def test_the_line_never_looks_at_the_clock_itself() -> None:
    for name, tree in trees():
        if not name.startswith(LINE):
            continue
        clocks = [
            node.lineno
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and re.fullmatch(r"(timezone|dt\.datetime|datetime)\.(utc)?now", ast.unparse(node.func))
        ]
        assert clocks == [], f"{name} reads the clock in lines {clocks}"


def test_the_line_imports_nothing_of_djangos_admin() -> None:
    imports = {
        f"{name}: {imported}"
        for name, tree in trees()
        if name.startswith(ROOMS_WITHOUT_ADMIN)
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for imported in _imported(node)
    }
    assert len(imports) > 100
    assert {line for line in imports if ": django.contrib.admin" in line} == set()


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    """Return the dotted names that a statement imports."""
    within = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
    return [within + alias.name for alias in node.names]


@pytest.mark.parametrize("app", [*PRODUCT, "tests"])
def test_no_exception_from_the_linter_is_without_its_reason(app: str) -> None:
    bare = []
    for path in files(apps=(app,)):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            noqa = re.search(r"#\s*noqa(?!: [A-Z0-9, ]+ - \S)", line)
            # A test's doubles need not satisfy the types of what they stand in for.
            ignored = app != "tests" and re.search(r"#\s*type: ignore(?!\[[a-z-, ]+\]\s+# ?\S)", line)
            if (noqa or ignored) and path.name != "test_laws.py":
                bare.append(f"{path.relative_to(env.BASE_DIR)}:{number}")
    assert bare == []


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    """By whatever name: a test that is not run shows nothing of what its name says."""
    leaving_out = re.compile(
        r"(?<!fmt: )\b(skip|skipif|skipIf|skipUnless|skipTest|SkipTest|xfail|importorskip|expectedFailure|__test__"
        r"|collect_ignore|collect_ignore_glob|deselect|pytest_ignore_collect)\b"
    )
    for path in files(apps=("tests",)):
        if path.name != "test_laws.py":
            assert not leaving_out.findall(path.read_text(encoding="utf-8")), path.name
    options = tomllib.loads((env.BASE_DIR / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]
    assert not re.search(r"deselect|--ignore|-k |not ", str(options["ini_options"].get("addopts", "")))


def test_every_file_says_in_its_first_line_what_it_is() -> None:
    silent = [name for name, tree in trees() if not ast.get_docstring(tree) and not name.endswith("__init__.py")]
    assert silent == []
