"""One reader per format: each yields its pages in order, or raises `Unreadable`.

`total` is the number of pages where it is known at once, else 0. Libraries are loaded by `child` through `READERS`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tillhouse.parts.ai.domain.reading import Page

_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_POWERPOINT = "application/vnd.openxmlformats-officedocument.presentationml.presentation"

# The module of this package that reads each media type.
READERS = {
    "application/pdf": "pdf",
    _WORD: "word",
    _EXCEL: "sheets",
    _POWERPOINT: "slides",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/markdown": "markdown",
    "text/plain": "plain",
    "text/csv": "plain",
    "image/png": "image",
    "image/jpeg": "image",
    "image/webp": "image",
    "image/gif": "image",
    "image/tiff": "image",
    "image/bmp": "image",
    "image/heic": "image",
}

# What only a name tells apart: to its bytes all of these are text.
ENDINGS = {
    "html": "text/html", "htm": "text/html", "xhtml": "text/html", "md": "text/markdown", "markdown": "text/markdown",
    "csv": "text/csv", "tsv": "text/csv", "txt": "text/plain", "log": "text/plain",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Known:
    """A page that was read before: its picture is the same."""

    number: int
    fingerprint: str


Pages = Iterator[Page | Known]


def reader_of(media_type: str, name: str, start: bytes) -> str:
    """The module that reads a file; empty for none. A name is believed only about what kind of text it is."""
    if media_type in ("text/plain", "application/octet-stream"):
        ending = name.rpartition(".")[2].lower()
        if media_type == "application/octet-stream":  # text of another encoding than UTF-8 is no text to its bytes
            return READERS.get(ENDINGS.get(ending, ""), "")
        if start.lstrip()[:200].lower().startswith((b"<!doctype html", b"<html")):
            return "html"
        media_type = ENDINGS.get(ending, media_type)
    return READERS.get(media_type, "")
