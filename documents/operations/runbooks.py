"""The runbooks as pages of this service, so that the link of an alert opens wherever its reader is."""

import pathlib
import re

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.views.decorators.http import require_safe

FOLDER = pathlib.Path(settings.BASE_DIR) / "docs" / "runbooks"
HEADING = re.compile(r"^(#{1,2}) (.+)$", re.MULTILINE)


def pages() -> dict[str, str]:
    """Return the text of each page by its name."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.md"))}


def anchors(*, page: str) -> set[str]:
    """Return the anchors of a page: its second-level headings, which are codes."""
    return {title.strip() for level, title in HEADING.findall(pages().get(page, "")) if level == "##"}


@require_safe
def runbook(request: HttpRequest, page: str) -> HttpResponse:
    """Show one runbook: headings with their anchors, and the text as it was written."""
    text = pages().get(page)
    if text is None:
        raise Http404
    _before, *parts = HEADING.split(text)
    sections = zip(parts[0::3], parts[1::3], parts[2::3], strict=True)
    body = format_html_join(
        "\n",
        '<h{} id="{}">{}</h{}>\n<pre>{}</pre>',
        ((len(level), title.strip(), title.strip(), len(level), text.strip()) for level, title, text in sections),
    )
    # `pre` shows lists and commands as written.
    head = format_html('<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{}</title></head>', page)
    return HttpResponse(head + format_html("<body>{}</body></html>", body), headers={"Cache-Control": "no-store"})
