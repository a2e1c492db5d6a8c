"""The style sheets of the pages without scripts: their text on each page, and their names in the content policy.

The panel's pages have theirs beside the one of all.
"""

import base64
import hashlib
import pathlib
import re

_FOLDER = pathlib.Path(__file__).resolve().parent.parent.parent / "templates"


def _short(*, css: str) -> str:
    """Return a style sheet without comments and needless blanks."""
    text = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    return re.sub(r"\s*([{};,:>])\s*", r"\1", re.sub(r"\s+", " ", text)).replace(";}", "}").strip()


def _source(*, text: str) -> str:
    """Return how a content policy names a style sheet."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


TEXT = _short(css=(_FOLDER / "web" / "page.css").read_text(encoding="utf-8"))
PANEL = _short(css=(_FOLDER / "panel" / "panel.css").read_text(encoding="utf-8"))
SOURCES = [_source(text=TEXT), _source(text=PANEL)]
