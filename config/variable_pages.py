"""The page and the example file that say which variables there are, written from `config.variables`."""

import itertools
import pathlib
import textwrap
from collections.abc import Iterator, Mapping

from config import env, variables

PAGE, EXAMPLE = pathlib.PurePath("docs/operations/settings.md"), pathlib.PurePath(".env.example")
WIDTH = 116
HEAD = """# Settings

Every variable of the environment that the service reads, written by `make manage ARGS=describe_settings` from
`config/variables.py`. [.env.example](../../.env.example) is the same as a file. What is **needed** has no default in
production, and what is wrong there stops the start with all of it said at once. How each secret is exchanged:
[rotate](rotate.md).
"""
EXAMPLE_HEAD = (
    "Every setting of the service: docs/operations/settings.md. systemd and the shell both read this file. What stands"
    " between < and > is yours to fill in; a line that begins with # keeps its default."
)


def pages() -> Mapping[pathlib.PurePath, str]:
    """Return what belongs into each of the two files."""
    return {PAGE: _page(), EXAMPLE: _example()}


def write() -> None:
    """Write both files into this checkout."""
    for path, text in pages().items():
        (env.BASE_DIR / path).write_text(text, encoding="utf-8")


def _page() -> str:
    tables = (line for heading, rows in variables.TABLE.items() for line in _table(heading=heading, rows=rows))
    return HEAD + "\n".join(tables) + "\n"


def _table(*, heading: str, rows: tuple[variables.Variable, ...]) -> Iterator[str]:
    yield from ("", f"## {heading}", "| variable | means | default |", "|---|---|---|")
    for row in rows:
        default = "**needed**" if row.needed else f"`{row.default}`" if row.default else "none"
        yield f"| `{row.name}`{' (secret)' if row.secret else ''} | {row.means} | {default} |"


def _example() -> str:
    lines = list(_comment(text=EXAMPLE_HEAD))
    for heading, rows in itertools.islice(variables.TABLE.items(), len(variables.TABLE) - 1):
        lines += ["", f"# --- {heading} ---"]
        for row in rows:
            lines += _comment(text=row.means)
            lines.append(f"{row.name}='{row.example}'" if row.needed else f"#{row.name}='{_plain(text=row.default)}'")
    return "\n".join(lines) + "\n"


def _comment(*, text: str) -> Iterator[str]:
    yield from (f"# {line}" for line in textwrap.wrap(text.replace("`", ""), WIDTH))


def _plain(*, text: str) -> str:
    """Return a default that can be written as a value, "" for one that is a sentence."""
    return "" if " " in text else text
