"""One WeasyPrint call that gives PDF/A-3a and PDF/UA-1 with the content embedded, the same bytes on every run.

Sources: ISO 19005-3 (PDF/A-3), ISO 14289-1 (PDF/UA-1). Loaded only by the renderer's child process.
"""

import ctypes
import datetime as dt
import importlib.metadata
import io
import re
import zlib
from collections.abc import Mapping
from typing import Any

import pydyf
import segno
from weasyprint import CSS, VERSION, Attachment, Document
from weasyprint.text import ffi
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import URLFetcher, URLFetcherResponse

from documents.rendering import weasyprint_patches

CONTENT_FILE = "content.json"
UA = "http://www.aiim.org/pdfua/ns/id/"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
# PDF/UA's mark and the extension schema that PDF/A asks for it. WeasyPrint puts extra XMP behind the one rdf:RDF, where
# readers do not look; so `finish` puts this inside.
UA_MARK = (
    f'<rdf:Description xmlns:rdf="{RDF}" xmlns:pdfuaid="{UA}" rdf:about="" pdfuaid:part="1"/>'
    f'<rdf:Description xmlns:rdf="{RDF}" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/" '
    'xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" '
    'xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#" rdf:about="">'
    '<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource"><pdfaSchema:schema>PDF/UA</pdfaSchema:schema>'
    f"<pdfaSchema:namespaceURI>{UA}</pdfaSchema:namespaceURI><pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>"
    '<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource"><pdfaProperty:name>part</pdfaProperty:name>'
    "<pdfaProperty:valueType>Integer</pdfaProperty:valueType><pdfaProperty:category>internal</pdfaProperty:category>"
    "<pdfaProperty:description>part</pdfaProperty:description></rdf:li></rdf:Seq></pdfaSchema:property></rdf:li>"
    "</rdf:Bag></pdfaExtension:schemas></rdf:Description>"
).encode()


_stream_data = pydyf.Stream.data.fget


def _with_clear_end(stream: pydyf.Stream) -> bytes:
    """End a stream whose last byte is a carriage return with CR LF.

    pydyf puts a LF before `endstream`: after a CR the two read as one end of line, and /Length as one too many
    (ISO 19005-3, 6.1.7.1). One stream in 256 ends so.
    """
    data: bytes = _stream_data(stream)
    return data[: -len(b"\nendstream")] + b"\r\nendstream" if data.endswith(b"\r\nendstream") else data


pydyf.Stream.data = property(_with_clear_end)


class _Fetcher(URLFetcher):
    """Serves the job's own images by name and refuses everything else: no network, no file, no data: URI."""

    def __init__(self, images: Mapping[str, bytes]) -> None:
        self._fail_on_errors = False  # WeasyPrint: go on without it, as with any image that is not there
        self.images = images  # and no super().__init__(): it loads every certificate of the machine, for nothing

    def fetch(self, url: str, _headers: object = None) -> URLFetcherResponse:
        """Answer `bundle:<name>`.

        :raises PermissionError: any other URL
        """
        body = self.images.get(url.removeprefix("bundle:")) if url.startswith("bundle:") else None
        if body is None:
            raise PermissionError("a document has no outside resources")
        return URLFetcherResponse(url, body)


def fetcher(images: Mapping[str, bytes]) -> _Fetcher:
    """Return a URL fetcher that serves these images and nothing else."""
    return _Fetcher(images)


def qr(url: str) -> bytes:
    """Return a QR code as a 1-bit PNG, one pixel a module (the PDF scales it without blur)."""
    image = io.BytesIO()
    # One fixed mask: choosing among eight costs twenty times the rest, and any of them is a valid code (ISO/IEC 18004).
    segno.make_qr(url, error="m", mask=3).save(image, kind="png", scale=1, border=2)
    return image.getvalue()


def finish(_document: Document, pdf: pydyf.PDF) -> None:
    """Put the PDF/UA mark inside the XMP packet and name each attachment once in /AF."""
    for obj in pdf.objects:
        if getattr(obj, "extra", {}).get("Type") == "/Metadata":
            xml = b"".join(part if isinstance(part, bytes) else part.encode() for part in obj.stream)
            obj.stream = [xml.replace(b"</rdf:RDF>", UA_MARK + b"</rdf:RDF>", 1)]
            obj.compress = False
    pdf.catalog["AF"] = pydyf.Array(list(dict.fromkeys(pdf.catalog["AF"])))
    weasyprint_patches.write_once(pdf)


def write(
    *,
    html: str,
    images: Mapping[str, bytes],
    sheet: CSS,
    fonts: FontConfiguration,
    payload: bytes,
    created: str,
    digest: bytes,
) -> tuple[bytes, int]:
    """Return (PDF, number of pages). `payload` is the canonical content, `digest` its SHA-256."""
    source = weasyprint_patches.Page(string=html, url_fetcher=fetcher(images))
    document = source.render(font_config=fonts, stylesheets=[sheet], pdf_variant="pdf/a-3a")
    when = dt.datetime.fromisoformat(created).replace(tzinfo=None)
    document.metadata.attachments = [
        Attachment(
            string=payload,
            name=CONTENT_FILE,
            description="Contenido del documento",
            relationship="Data",
            created=when,
            modified=when,
            url_fetcher=source.url_fetcher,
        )
    ]
    pdf = document.write_pdf(pdf_variant="pdf/a-3a", pdf_identifier=digest[:16], finisher=finish)
    return pdf, len(document.pages)


def rehearse(press: Any) -> None:
    """Render a small page, so that fonts, codecs and lazy imports are loaded before the first job."""
    letters = "".join(map(chr, range(ord("0"), ord("z")))).replace("<", "")
    html = f"<html><head><title>-</title></head><body><h1>{letters}</h1><p>{letters}</p></body></html>"
    write(
        html=html,
        images={},
        sheet=press.sheet,
        fonts=press.fonts,
        payload=b"{}",
        created="2026-01-01T00:00:00Z",
        digest=bytes(32),
    )


def engine() -> str:
    """Return the versions of all that the bytes depend on, as one line."""
    pango, harfbuzz = ffi.pango.pango_version(), ctypes.CDLL("libharfbuzz.so.0").hb_version_string
    harfbuzz.restype = ctypes.c_char_p
    names = ("pydyf", "fonttools", "pillow", "segno", "babel", "django")
    versions = {"weasyprint": VERSION} | {name: importlib.metadata.version(name) for name in names}
    versions["pango"] = f"{pango // 10000}.{pango // 100 % 100}.{pango % 100}"
    versions["harfbuzz"] = harfbuzz().decode()
    versions["subset"] = "harfbuzz" if ffi.harfbuzz_subset else "fonttools"
    versions["zlib"] = re.sub(r"[^0-9A-Za-z.-]", "", zlib.ZLIB_RUNTIME_VERSION)
    return " ".join(f"{name}={version}" for name, version in versions.items())
