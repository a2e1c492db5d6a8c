"""Print the blocks of one language in a section of docs/quickstart.md: `python -m tests.services.quickstart Read bash`."""

import pathlib
import re
import sys

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "quickstart.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(*, section: str, language: str, page: pathlib.Path = PAGE) -> str:
    """Return them as one program."""
    text = page.read_text(encoding="utf-8").partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return "\n".join(block for tag, block in BLOCK.findall(text) if tag == language)


if __name__ == "__main__":
    sys.stdout.write(blocks(section=sys.argv[1], language=sys.argv[2]))
