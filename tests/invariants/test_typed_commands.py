"""Every command that a page or a printed hint tells people to type exists, with the options it is given."""

import argparse
import importlib.util
import pathlib
import re
import shlex
from collections.abc import Iterator

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand

from config import env
from config.simulation import event_stream
from tests.anomalies import crash_points
from tests.audit import test_append_only
from tests.invariants.test_laws import files

ROOT = env.BASE_DIR
PAGES = sorted(path for path in ROOT.rglob("*.md") if not {"var", ".venv"} & set(path.relative_to(ROOT).parts))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
SPAN = re.compile(r"```\w*\n(.*?)```|`([^`]+)`", re.DOTALL)
ASSIGNED = re.compile(r'([A-Z_]+)=("[^"]*"|\S*)')
INSTALLED = ".venv/bin/"
HOSTS_OWN = "billing-docs"  # ops/billing-docs, on the hosts of docs/operations
NOT_FOR_PEOPLE = {"ready", "ready-for-tests", "help"}


def _typed(path: pathlib.Path) -> Iterator[str]:
    """Yield each line of a page that begins like a command, without its comment."""
    for block, span in SPAN.findall(path.read_text(encoding="utf-8")):
        for line in block.splitlines() if block else [" ".join(span.split())]:
            bare = line.partition("  #")[0].strip()
            if re.match(
                r"([A-Z_]+=\S+ )*(make [a-z]|billing-docs [a-z]|\.venv/|python|pytest|manage\.py|gunicorn|celery)", bare
            ):
                yield bare


LINES = [(path.relative_to(ROOT).as_posix(), line) for path in PAGES for line in _typed(path)]


def _parser(name: str) -> set[str]:
    app = get_commands()[name]
    command = app if isinstance(app, BaseCommand) else load_command_class(app, name)
    return _options(command.create_parser("manage.py", name))


def _options(parser: argparse.ArgumentParser) -> set[str]:
    """Return the options of a command and of its sub-commands."""
    found = {option for action in parser._actions for option in action.option_strings}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= {option for inner in action.choices.values() for option in _options(inner)}
    return found


def _check_command(words: str) -> None:
    """Fail unless the management command exists and knows each option; `[--option X]` is one that may be left out."""
    name, *rest = shlex.split(words.replace("[", " ").replace("]", " "))
    if name == "help":
        return
    assert name in get_commands(), f"no command {name}"
    given = {word.partition("=")[0] for word in rest if word.startswith("--")}
    assert given <= _parser(name), f"{name} has no {sorted(given - _parser(name))}"
    for path in (word for word in rest if word.startswith("config/")):
        assert (ROOT / path).exists(), path


def _check_line(line: str) -> None:
    while leading := re.match(r"[A-Z_]+=\S+ ", line):
        line = line[leading.end() :]
    given = {name: text.strip('"') for name, text in ASSIGNED.findall(line)}
    assert all(name in MAKEFILE for name in given), f"no variable of the Makefile: {given}"
    word, _, rest = line.partition(" ")
    if word == HOSTS_OWN:
        _check_command(rest)
        return
    if word == "make":
        target = rest.split()[0]
        assert target in TARGETS, f"no target {target}"
        if target == "manage" and "ARGS" in given and given["ARGS"] != "...":
            _check_command(given["ARGS"])
        tested = shlex.split(given.get("ARGS", "")) if target == "test" else []
        for path in (word for word in tested if word.startswith("tests")):
            assert (ROOT / path.partition("::")[0]).exists(), path
        return
    assert word.startswith(INSTALLED), f"not to be typed on a fresh machine: {line}"
    assert importlib.util.find_spec(word.removeprefix(INSTALLED)) or word == f"{INSTALLED}python", word
    first, _, after = rest.partition(" ")
    if first == "manage.py" and after:
        _check_command(after)
    if first == "-m":
        assert importlib.util.find_spec(after.split()[0]), after


@pytest.mark.parametrize(("page", "line"), LINES, ids=[f"{page}-{place}" for place, (page, _) in enumerate(LINES)])
def test_a_command_on_a_page_works_as_it_is_typed(page: str, line: str) -> None:
    _check_line(line)


def test_the_pages_for_hosts_name_the_command_of_the_hosts() -> None:
    spoken = [
        (page, line) for page, line in LINES if page.startswith("docs/operations/") and line.startswith("make manage")
    ]
    assert [line for _page, line in spoken] == ["make manage", "make manage ARGS=describe_settings"]


def test_the_pages_tell_of_the_two_commands_and_of_every_other() -> None:
    assert {"make demo", "make test"} <= {line for page, line in LINES if page == "README.md"}
    ours = {path.stem for path in (ROOT / "config" / "management" / "commands").glob("*.py")} - {"__init__"}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "apt-get install -y git make\ngit clone " in readme
    assert [name for name in sorted(ours) if name not in readme] == []


@pytest.mark.parametrize(
    "line",
    [
        "make nothing",
        "manage.py provision",
        "pytest tests",
        "make manage ARGS=sweep",
        "billing-docs sweep",
        "billing-docs provision --everything",
        'make manage ARGS="send_events a.json --verbose-please"',
        "make test ARGS=tests/absent.py",
        "make demo PORTS=1",
        ".venv/bin/python -m benchmarks.absent",
    ],
)
def test_a_command_that_does_not_exist_would_be_noticed(line: str) -> None:
    with pytest.raises(AssertionError):
        _check_line(line)


def test_every_target_for_people_is_in_makes_help() -> None:
    said = set(re.findall(r'@echo "make ([a-z-]+) ', MAKEFILE))
    assert said == TARGETS - NOT_FOR_PEOPLE


def test_no_text_of_the_product_names_a_command_that_fails_on_a_fresh_machine() -> None:
    bare = re.compile(r"(?<!\.venv/bin/python )\bmanage\.py [a-z]")
    texts = [*files(), *PAGES, ROOT / "Makefile"]
    found = [
        (path.name, line.strip())
        for path in texts
        for line in path.read_text(encoding="utf-8").splitlines()
        if bare.search(line) and not line.startswith("\t@")
    ]
    assert found == []


def test_a_hint_that_is_printed_names_a_command_that_exists() -> None:
    hint = re.compile(r'make manage (?:DEMO=\S+ )?ARGS=(?:"([^"{]+)"|([a-z_]+))')
    found = [
        (first or second).strip()
        for path in files()
        for first, second in hint.findall(path.read_text(encoding="utf-8"))
    ]
    assert {"provision", "reconcile_payouts", "send_events config/samples/es_ride.json"} <= set(found)
    for words in found:
        _check_command(words)


def test_the_figures_of_the_first_screen_are_those_that_were_measured() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    results = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    low, high = re.findall(r"(\d\.\d\d) to (\d\.\d\d) of the CPU", readme)[0]
    assert f"receipt | <= 1.0 | {low} |" in results
    assert f"order | <= 1.0 | {high} |" in results
    assert f"killed at each of {len(crash_points.TABLE)} steps" in readme
    assert f"{len(event_stream.draw(seed=1, count=1000).keys)} documents, none lost" in readme  # what make crash draws
    assert f"{3 * len(test_append_only.CHANGES)} attempts to change or empty the log" in readme
