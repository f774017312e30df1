"""What a file is by its bytes, and whether it tries to be two things at once."""

import codecs
import re

import filetype  # type: ignore[import-untyped]  # it has no stubs

HEAD = 8192  # bytes of the beginning that tell a type
TAIL = 65_557  # bytes of the end in which a ZIP's directory ends: its record and the longest comment

_OCTETS = "application/octet-stream"
_LOOKED_AT = 4096
_OFFICE = "application/vnd.openxmlformats-officedocument"

# First bytes (at an offset) of what people send. What a name or a browser claims is not believed.
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF-", "application/pdf"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (8, b"AVI ", "video/x-msvideo"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\xff\xf2", "audio/mpeg"),
    (0, b"\xff\xf1", "audio/aac"),
    (0, b"\xff\xf9", "audio/aac"),
    (0, b"fLaC", "audio/flac"),
    (0, b"#!AMR", "audio/amr"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftypM4B", "audio/mp4"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypheix", "image/heic"),
    (4, b"ftypheim", "image/heic"),
    (4, b"ftyphevc", "image/heic"),
    (4, b"ftypmif1", "image/heic"),
    (4, b"ftypmsf1", "image/heic"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftyp3g", "video/3gpp"),
    (4, b"ftyp", "video/mp4"),
    (0, b"PK\x03\x04", "application/zip"),
)
_INSIDE_ZIP = (
    (b"word/", f"{_OFFICE}.wordprocessingml.document"),
    (b"xl/", f"{_OFFICE}.spreadsheetml.sheet"),
    (b"ppt/", f"{_OFFICE}.presentationml.presentation"),
    (b"mimetypeapplication/epub+zip", "application/epub+zip"),
    (b"mimetypeapplication/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text"),
)
_RIFF = {"image/webp", "audio/wav", "video/x-msvideo"}

IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/heic", "image/avif"})
# What can be probed and played, by the name of the demuxers that may look at it: no playlist is ever opened.
_MP4, _MATROSKA = "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"
MEDIA = {
    "audio/wav": "wav", "audio/ogg": "ogg", "audio/mpeg": "mp3", "audio/aac": "aac", "audio/flac": "flac",
    "audio/amr": "amr", "audio/mp4": _MP4, "video/mp4": _MP4, "video/quicktime": _MP4, "video/3gpp": _MP4,
    "video/webm": _MATROSKA, "video/x-matroska": _MATROSKA, "video/x-msvideo": "avi",
}  # fmt: skip
# What a browser may show inside our pages; anything else is only ever downloaded.
SHOWN = frozenset({"application/pdf", "image/png", "image/jpeg", "image/gif", "image/webp", "audio/wav", "audio/ogg",
                   "audio/mpeg", "audio/mp4", "audio/aac", "audio/flac", "video/mp4", "video/webm"})  # fmt: skip

_MARKUP = re.compile(rb"<(?:!doctype\s+html|html|head|body|script|iframe|svg)[\s>/]|<\?php", re.IGNORECASE)
_HTML = re.compile(
    rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|script|iframe)\b", re.IGNORECASE | re.DOTALL
)
_SVG = re.compile(rb"\s*(?:<\?xml.*?\?>\s*)?(?:<!.*?>\s*)*<svg\b", re.IGNORECASE | re.DOTALL)
_ZIP_END = b"PK\x05\x06"
_ZIPS = ("application/zip", "application/epub+zip", "application/vnd.")


def sniff(content: bytes) -> str:
    """The media type of `content` (the first `HEAD` bytes are enough), by its bytes alone."""
    for offset, mark, media_type in _SIGNATURES:
        if content[offset : offset + len(mark)] != mark:
            continue
        if media_type in _RIFF and content[:4] != b"RIFF":
            continue
        return _inside_zip(content) if media_type == "application/zip" else media_type
    if content[:4] == b"\x1aE\xdf\xa3":
        return "video/webm" if b"webm" in content[:64] else "video/x-matroska"
    if _is_text(content):
        return _markup_of(content)
    guessed: str | None = filetype.guess_mime(content[:HEAD])
    # What is known above has been looked for, and is not it.
    return _OCTETS if guessed is None or guessed in IMAGES or guessed in MEDIA else guessed


def has_second_face(head: bytes, tail: bytes, media_type: str) -> bool:
    """Whether bytes of a binary type would be read as another by a careless reader: PDF, ZIP, HTML, PHP.

    `head` are the first `HEAD` bytes, `tail` the last `TAIL`. Readers of PDF look for its mark in the first 1,024
    bytes, of ZIP for its directory at the end.
    """
    if media_type.startswith("text/") or media_type in ("image/svg+xml", _OCTETS):
        return False
    if media_type != "application/pdf" and b"%PDF-" in head[:1024]:
        return True
    if not media_type.startswith(_ZIPS) and _ends_as_zip(tail):
        return True
    return not media_type.startswith(_ZIPS) and _MARKUP.search(head[:1024]) is not None


def is_playable(media_type: str) -> bool:
    """Whether a browser plays it as it is."""
    return media_type in SHOWN and media_type.startswith(("audio/", "video/"))


def _ends_as_zip(tail: bytes) -> bool:
    """A directory's record whose comment ends exactly where the file ends, as readers ask."""
    at = tail.rfind(_ZIP_END)
    while at >= 0:
        if at + 22 <= len(tail) and at + 22 + int.from_bytes(tail[at + 20 : at + 22], "little") == len(tail):
            return True
        at = tail.rfind(_ZIP_END, 0, at)
    return False


def _inside_zip(content: bytes) -> str:
    return next((media_type for mark, media_type in _INSIDE_ZIP if mark in content[:_LOOKED_AT]), "application/zip")


def _markup_of(content: bytes) -> str:
    start = content[:_LOOKED_AT].removeprefix(codecs.BOM_UTF8)
    if _SVG.match(start):
        return "image/svg+xml"
    return "text/html" if _HTML.match(start) else "text/plain"


def _is_text(content: bytes) -> bool:
    """UTF-8 without control characters; a character that the end of what is looked at cuts in two is no reason."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        text = decoder.decode(content[:_LOOKED_AT], final=len(content) <= _LOOKED_AT)
    except UnicodeDecodeError:
        return False
    return not any(ord(c) < 32 and c not in "\t\n\r\f" for c in text)
