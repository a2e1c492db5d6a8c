"""The commands of docs/operations: each fenced block of shell, with the hosts that its first line names."""

import dataclasses
import re
import sys
from collections.abc import Iterator

from config import env

FOLDER = env.BASE_DIR / "docs" / "operations"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FIRST = re.compile(r"# on ([a-z0-9 ]+)(?:, (.*))?")
NAMES = "# names\n"
INSTALLED = r"^ *apt-get install -y (.*)$"


@dataclasses.dataclass(frozen=True, kw_only=True)
class CommandBlock:
    """One block: its page, the hosts it is typed on, when (empty: always, in its place), and what is typed."""

    page: str
    hosts: tuple[str, ...]
    occasion: str
    script: str


def blocks(*, page: str) -> list[CommandBlock]:
    """Return the blocks of a page in their order, that of the names apart."""
    return list(_read(page=page))


def named() -> set[str]:
    """Return the names that /root/names.sh must have, as the page says them."""
    text = (FOLDER / "deploy.md").read_text(encoding="utf-8")
    [block] = [found for found in BLOCK.findall(text) if found.startswith(NAMES)]
    return set(re.findall(r"(?:^|\s)([A-Z0-9_]+)=", block))


def _read(*, page: str) -> Iterator[CommandBlock]:
    for script in BLOCK.findall((FOLDER / page).read_text(encoding="utf-8")):
        if script.startswith(NAMES):
            continue
        first = FIRST.fullmatch(script.partition("\n")[0])
        if first is None:
            raise LookupError(f"{page}: a block does not say on which hosts: {script[:60]!r}")
        yield CommandBlock(page=page, hosts=tuple(first[1].split()), occasion=first[2] or "", script=script)


def on_base() -> str:
    """Return what is typed where the internet is in reach: every installation of packages, and the service's own."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.md"))]
    packages = {name for text in texts for found in re.findall(INSTALLED, text, re.MULTILINE) for name in found.split()}
    [install] = [block for block in blocks(page="deploy.md") if block.occasion == "with the internet in reach"]
    return f"apt-get update\napt-get install -y --no-install-recommends {' '.join(sorted(packages))}\n{install.script}"


if __name__ == "__main__":
    sys.stdout.write(on_base())
