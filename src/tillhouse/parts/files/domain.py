"""Pure rules of files: what a file is by its first bytes, and what it may be called."""

import codecs
import unicodedata

_OCTETS = "application/octet-stream"
_LONGEST_NAME = 150
_LOOKED_AT = 4096

# First bytes (at an offset) of what people send. What a name or a browser claims is not believed.
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF-", "application/pdf"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftyp", "video/mp4"),
    (0, b"PK\x03\x04", "application/zip"),
)
_INSIDE_ZIP = (
    (b"word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (b"ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
)

# What a browser may show inside our pages; anything else is only ever downloaded.
SHOWN = frozenset({"application/pdf", "image/png", "image/jpeg", "image/gif", "image/webp", "audio/wav", "audio/ogg",
                   "audio/mpeg", "audio/mp4", "video/mp4", "video/webm"})  # fmt: skip


def sniff(content: bytes) -> str:
    """The media type of `content`, by its bytes alone."""
    for offset, mark, media_type in _SIGNATURES:
        if content[offset : offset + len(mark)] == mark:
            return _inside_zip(content) if media_type == "application/zip" else media_type
    return "text/plain" if _is_text(content) else _OCTETS


def tidy_name(name: str) -> str:
    """A name that can be shown and downloaded under: no path, no control or direction-changing characters."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(c for c in unicodedata.normalize("NFC", last) if unicodedata.category(c)[0] != "C").strip(". ")
    if len(kept) <= _LONGEST_NAME:
        return kept or "file"
    stem, dot, ending = kept.rpartition(".")
    return (
        (stem[: _LONGEST_NAME - len(ending) - 1] + dot + ending) if dot and len(ending) < 10 else kept[:_LONGEST_NAME]
    )


def _inside_zip(content: bytes) -> str:
    return next((media_type for mark, media_type in _INSIDE_ZIP if mark in content[:_LOOKED_AT]), "application/zip")


def _is_text(content: bytes) -> bool:
    """UTF-8 without control characters; a character that the end of what is looked at cuts in two is no reason."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        text = decoder.decode(content[:_LOOKED_AT], final=len(content) <= _LOOKED_AT)
    except UnicodeDecodeError:
        return False
    return not any(ord(c) < 32 and c not in "\t\n\r\f" for c in text)
