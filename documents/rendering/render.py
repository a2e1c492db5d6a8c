"""From frozen content to PDF bytes, in warm child processes with limits; and from PDF bytes to a page's image.

The bytes depend on the content, the moment of issue, the logo, the country's texts, the template bundle and the engine.
The last two are named in the result, so that `verify` can say "not comparable" where they differ.

Template lookup: `pdf/<country>/<kind>/<version>.html`, then `pdf/<kind>/<version>.html`, all in lower case.
"""

import atexit
import contextlib
import datetime as dt
import io
import os
import pathlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pypdfium2

from documents import canonical, errors, metrics
from documents.countries import pack, sources
from documents.rendering import pool as renderer_pool
from documents.wording import table

TEMPLATES = renderer_pool.ROOT / "templates"
BUNDLE = renderer_pool.BUNDLE
PLAIN = "pdf/plain/v1.html"
SUMMARY = "period_summary/v1.html"  # below the bundle
FIRST_VERSION = "v1"  # of a content that names none
PREVIEW_WIDTH_MAX = 2000
DECIMALS_MAX = 9  # more than any currency has: nothing is cut
Pool = renderer_pool.Pool


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A PDF and what its bytes depend on."""

    pdf: bytes
    pages: int
    template: str
    bundle_digest: str
    engine: str
    flags: list[str] = field(default_factory=list)
    cpu_s: float = 0.0


POOL_SIZE = len(os.sched_getaffinity(0))  # one for each core that this process may use, started when first needed
_pool = renderer_pool.Pool(size=POOL_SIZE)
_pdfium = threading.Lock()  # PDFium serves one thread at a time
_instead: list[renderer_pool.Pool] = []  # of `_pool`, while a drill lasts


def _after_fork() -> None:
    """Give a forked worker children of its own: two processes must not share a socket."""
    global _pool, _pdfium  # one pool a process is the point
    _pool, _pdfium = renderer_pool.Pool(size=POOL_SIZE), threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


@contextlib.contextmanager
def by(*, pool: renderer_pool.Pool) -> Iterator[None]:
    """Let this process print by another pool until the block ends, which ends its children."""
    _instead.append(pool)
    try:
        yield
    finally:
        _instead.remove(pool)
        pool.close()


@atexit.register
def _at_exit() -> None:
    """End the children with the process."""
    _pool.close()


def template_for(*, kind: str, country: str, version: str, bundle: pathlib.Path = BUNDLE) -> str:
    """Return the template's name below `templates/`, the country's own before the common one.

    :raises errors.Problem: `render_failed`: there is no such template
    """
    for folder in (f"{country}/{kind}", kind):
        name = f"{folder.lower()}/{version}.html"
        if (bundle / name).is_file():
            return f"pdf/{name}"
    place = {"kind": kind, "country": country, "version": version}
    raise errors.Problem(code="render_failed", values={"cause": "template", **place})


def texts_for(*, kind: str, country: str) -> dict[str, Any]:
    """Return the country's texts as the child needs them; the common ones where it has no pack."""
    own = pack.for_country(country)
    titles, labels = (own.titles, own.labels) if own else (pack.TITLES, pack.LABELS)
    title = titles.get(kind) or sources.Words(es="Documento", en="Document")
    notice = own.legal_notice if own else sources.Words(es="", en="")
    return {
        "locale": own.locale if own else "es",
        "decimals": own.decimals_shown if own else DECIMALS_MAX,
        "title": {"es": title.es, "en": title.en},
        "labels": {key: {"es": label.es, "en": label.en} for key, label in labels.items()},
        "legal_notice": {"es": notice.es, "en": notice.en},
    }


def _named_taxes(*, texts: dict[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the country's texts; where another tax is charged than its label names, it is called a tax only.

    The Canary Islands charge IGIC and no IVA: "IVA: 0.60" would be false there.
    """
    label = texts["labels"]["tax"]
    charged = {
        group["code"].rstrip("0123456789") for group in content.get("tax_groups", ()) if group["rate"].strip("0.")
    }
    if all(name in label["es"] for name in charged):
        return texts
    plain = pack.LABELS["tax"]
    return texts | {"labels": texts["labels"] | {"tax": {"es": plain.es, "en": plain.en}}}


def _standing(*, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the document says of its fact, as of its issue."""
    return {"standing": table.printed(content=content)}


def job_for(
    *,
    content: Mapping[str, Any],
    issued_at: dt.datetime,
    plain: bool = False,
    watermark: str = "",
    bundle: pathlib.Path = BUNDLE,
) -> dict[str, Any]:
    """Return the job of a document: the content and all else that the bytes depend on, except the logo.

    :raises errors.Problem: `render_failed`: no template for that kind, country and version
    """
    kind, country = str(content.get("kind", "")), str(content.get("country", ""))
    version = str(content.get("template_version", FIRST_VERSION))
    texts = texts_for(kind=kind, country=country)
    name = PLAIN if plain else template_for(kind=kind, country=country, version=version, bundle=bundle)
    return {
        "template": name.removeprefix("pdf/"),
        "plain": name == PLAIN,
        "content": content,
        "canonical": canonical.encode(value=content).decode(),
        "words": texts if plain else _named_taxes(texts=texts, content=content) | _standing(content=content),
        "created": issued_at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "watermark": watermark,
    }


def render(
    *,
    content: Mapping[str, Any],
    issued_at: dt.datetime,
    logo: bytes | None = None,
    plain: bool = False,
    watermark: str = "",
    pool: renderer_pool.Pool | None = None,
) -> Rendered:
    """Print frozen content as PDF/A-3a + PDF/UA-1 with the content embedded as `content.json`.

    The same arguments give the same bytes wherever bundle and engine are the same. `plain` prints every leaf of any
    content in the built-in plain layout. `watermark` is the sandbox's line. `logo` is a PNG.

    :raises errors.Problem: `render_timeout`, `render_failed`
    """
    pool = pool or (_instead or [_pool])[-1]
    job = job_for(content=content, issued_at=issued_at, plain=plain, watermark=watermark, bundle=pool.bundle)
    lines = sum(len(content.get(key, ())) for key in ("lines", "settles", "adjustments", "withholdings"))
    with metrics.RENDER_SECONDS.labels(kind=str(content.get("kind", ""))).time():
        header, pdf, engine = pool.render(job=job, logo=logo or b"", lines=lines)
    return Rendered(
        pdf=pdf,
        pages=header["pages"],
        template=f"pdf/{job['template']}",
        bundle_digest=header["bundle_digest"],
        engine=engine,
        flags=header["flags"],
        cpu_s=header["cpu_s"],
    )


def summary(
    *,
    content: Mapping[str, Any],
    title: sources.Words,
    made_at: dt.datetime,
    logo: bytes | None = None,
    pool: renderer_pool.Pool | None = None,
) -> bytes:
    """Print what a period comes to, as PDF: a page about documents, which is none itself and is not kept.

    :param content: `SUMMARY` says what it reads; all of it is text that has been written already
    :raises errors.Problem: `render_timeout`, `render_failed`
    """
    job = {
        "template": SUMMARY,
        "plain": True,
        "content": content,
        "canonical": canonical.encode(value=content).decode(),
        "words": {"locale": "es", "title": {"es": title.es, "en": title.en}},
        "created": made_at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "watermark": "",
    }
    _header, pdf, _engine = (pool or _pool).render(job=job, logo=logo or b"", lines=len(content["rows"]))
    return pdf


def preview(*, pdf: bytes, page: int, width: int) -> bytes:
    """Draw one page (the first is 1) as a PNG of that many pixels across (at most 2,000).

    :raises IndexError: no such page
    :raises ValueError: a width out of range
    """
    if not 1 <= width <= PREVIEW_WIDTH_MAX:
        raise ValueError(f"width must be 1 to {PREVIEW_WIDTH_MAX}")
    with _pdfium:
        document = pypdfium2.PdfDocument(pdf)
        try:
            if not 1 <= page <= len(document):
                raise IndexError(f"page {page} of {len(document)}")
            leaf = document[page - 1]
            image = leaf.render(scale=width / leaf.get_width()).to_pil()
        finally:
            document.close()
    body = io.BytesIO()
    image.save(body, format="PNG")
    return body.getvalue()
