"""What a PDF carries inside: `content.json`, the frozen content that it prints."""

import hashlib
import io

import pikepdf

NAME = "content.json"


def content_sha256(*, pdf: bytes) -> str | None:
    """Return the SHA-256 of the embedded content, or None when the PDF carries none."""
    embedded = content(pdf=pdf)
    return None if embedded is None else hashlib.sha256(embedded).hexdigest()


def content(*, pdf: bytes) -> bytes | None:
    """Return the embedded content, or None when the PDF carries none."""
    try:
        with pikepdf.open(io.BytesIO(pdf)) as opened:
            if NAME not in opened.attachments:
                return None
            return opened.attachments[NAME].get_file().read_bytes()
    except pikepdf.PdfError:
        return None
