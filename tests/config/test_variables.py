"""The table of settings says what the service reads, and its pages say what the table says."""

import ast
import pathlib
import subprocess
from collections.abc import Iterator

import pytest

from config import env, production, variable_pages, variables

READERS = frozenset({"text", "number", "items", "secret", "networks", "vault", "database", "bind", "log_level"}) | {
    "web_bind",
    "public_url",
}
LIBRARIES = frozenset({"AWS_CA_BUNDLE", "DJANGO_SETTINGS_MODULE"})  # read by others too, or only


def _named() -> Iterator[str]:
    """Yield each name that a call of `env` has, in the product's own modules."""
    for folder in ("config", "documents", "payouts", "audit"):
        for path in (env.BASE_DIR / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in READERS:
                    yield from (
                        str(keyword.value.value)
                        for keyword in node.keywords
                        if keyword.arg == "name" and isinstance(keyword.value, ast.Constant)
                    )


def test_every_setting_that_is_read_has_its_row_and_every_row_is_read() -> None:
    read = {name for name in _named() if name.isupper()}
    checked = {*production.VAULT_KEYS, *production.VAULT_KEY_SOURCES, *production.FORMER.values()}
    services = {f"WEBHOOK_SECRET_{service.upper()}" for service in env.SERVICES}
    assert read | checked | services | LIBRARIES == variables.NAMES


@pytest.mark.parametrize("path", variable_pages.pages())
def test_page_and_example_are_the_tables_own(path: pathlib.PurePath) -> None:
    written = (env.BASE_DIR / path).read_text(encoding="utf-8")
    assert written == variable_pages.pages()[path], "make manage ARGS=describe_settings"


def test_what_is_needed_is_what_production_refuses_to_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in variables.NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("VAULT_URL", "s3://bucket?endpoint=https://s3.example")
    with pytest.raises(env.Misconfigured) as raised:
        production.refuse_unsafe()
    missing = {line.split(": ")[1] for line in str(raised.value).splitlines()}
    needed = {row.name for rows in variables.TABLE.values() for row in rows if row.needed}
    assert needed == missing | {"ENVIRONMENT", "VAULT_URL"}


def test_the_example_is_read_by_a_shell_as_it_stands() -> None:
    example = env.BASE_DIR / variable_pages.EXAMPLE
    read = subprocess.run(
        ["/bin/sh", "-c", f"set -a; . {example}; env"], capture_output=True, text=True, check=True, env={}
    )
    values = dict(line.split("=", 1) for line in read.stdout.splitlines())
    rows = [row for rows in variables.TABLE.values() for row in rows if row.needed]
    assert {row.name: values[row.name] for row in rows} == {row.name: row.example for row in rows}


def test_the_table_names_every_platform_service() -> None:
    rows = {name.removeprefix("WEBHOOK_SECRET_").lower() for name in variables.NAMES if name.startswith("WEBHOOK_")}
    assert rows == set(env.SERVICES)
