"""The one style sheet of the pages without scripts: its text on each of them, and its name in the content policy."""

import base64
import hashlib
import pathlib
import re

_FILE = pathlib.Path(__file__).resolve().parent.parent.parent / "templates" / "web" / "page.css"


def _short(*, css: str) -> str:
    """Return a style sheet without comments and needless blanks."""
    text = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    return re.sub(r"\s*([{};,:>])\s*", r"\1", re.sub(r"\s+", " ", text)).replace(";}", "}").strip()


TEXT = _short(css=_FILE.read_text(encoding="utf-8"))
SOURCE = f"'sha256-{base64.b64encode(hashlib.sha256(TEXT.encode()).digest()).decode()}'"
