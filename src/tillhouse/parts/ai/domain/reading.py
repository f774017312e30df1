"""What a document says: pages of blocks, each with the place where it stands.

`Page.text` is the blocks' texts joined by blank lines; every offset counts its characters. A box is in fractions of the
page from its upper left corner, so that it fits whatever size the page is shown at. Words that no reader would see
(white on white, of no size, under a picture, styled away) are kept apart in `Page.hidden`: whoever wrote them was
writing to a machine, and they are neither indexed nor quoted.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.text import N_

BlockKind = Literal["heading", "paragraph", "list", "table", "code"]
PageSource = Literal["text", "ocr"]

SURE = 0.8  # what OCR reads with less is often wrong: scripts it does not know come at 0.6 to 0.79, print above 0.88

_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")
_SARA_AM = re.compile("\u0e4d([\u0e48-\u0e4b]?)\u0e32")
_BETWEEN = "\n\n"
_MOST_HIDDEN = 20
_LONGEST_HIDDEN = 300


class Box(NamedTuple):
    """A rectangle in fractions (0 to 1) of the page."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a block: `start` and `end` count characters of the page's text."""

    start: int
    end: int
    box: Box


@dataclass(frozen=True, slots=True)
class Block:
    """A heading (`level` 1 to 6), paragraph, list item, table or piece of code.

    A table's text has a line per row with ` | ` between cells; `rows` has the cells. Formats without pages have no
    lines.
    """

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    rows: tuple[tuple[str, ...], ...] = ()
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """A page, slide or sheet. `fingerprint` is the same for the same content. `confidence` (0 to 1) is OCR's."""

    number: int
    text: str
    blocks: tuple[Block, ...]
    source: PageSource = "text"
    title: str = ""
    hidden: tuple[str, ...] = ()
    confidence: float = 1.0
    fingerprint: str = ""

    @property
    def unsure(self) -> bool:
        """Whether its words were read from a picture, and some may well be wrong."""
        return self.source == "ocr" and bool(self.text) and self.confidence < SURE


@dataclass(frozen=True, slots=True)
class Draft:
    """A block before it has its place in a page. `lines` are the texts and boxes of which `text` is made."""

    kind: BlockKind
    text: str
    level: int = 0
    rows: tuple[tuple[str, ...], ...] = ()
    lines: tuple[tuple[str, Box], ...] = ()


# What a reader can say of a file, beside that it read it. `{page}` is filled where the fault has a page.
UNREADABLE = {
    "encrypted": N_("This document is locked with a password. Remove the password and add it again."),
    "damaged": N_("This document is damaged: page {page} cannot be read. Save it again and add the new file."),
    "not_a_document": N_("This document is damaged and cannot be opened. Save it again and add the new file."),
    "unknown_type": N_(
        "Documents of this type cannot be read. PDF, Word, Excel, PowerPoint, HTML, Markdown, text and pictures can."
    ),
    "empty": N_("There is no text in this document."),
    "too_many_pages": N_("This document has more than {most} pages. Divide it and add the parts."),
    "too_large": N_("What is inside this document is too large to be read. Divide it and add the parts."),
    "page_too_slow": N_("Page {page} of this document takes too long to read. Remove or simplify it and add it again."),
    "too_slow": N_("This document takes too long to read. Divide it and add the parts."),
    "needs_tesseract": N_(
        "Page {page} of this document is a picture, and nothing is installed here that reads pictures. Add the "
        "document as text, or have Tesseract installed."
    ),
    "needs_tesseract_th": N_(
        "Page {page} of this document is a picture of Thai text, which nothing reads here. Add the document as text, "
        "or have Tesseract installed with Thai."
    ),
    "needs_tesseract_vi": N_(
        "Page {page} of this document is a picture of Vietnamese text, which nothing reads here. Add the document as "
        "text, or have Tesseract installed with Vietnamese."
    ),
    "needs_tesseract_hi": N_(
        "Page {page} of this document is a picture of Hindi text, which nothing reads here. Add the document as text, "
        "or have Tesseract installed with Hindi."
    ),
    "needs_tesseract_he": N_(
        "Page {page} of this document is a picture of Hebrew text, which nothing reads here. Add the document as text, "
        "or have Tesseract installed with Hebrew."
    ),
    "gone": N_("The file of this document is gone. Add it again."),
}


class Unreadable(DomainError):
    """A document that cannot be read: `reason` is one of `UNREADABLE`, `page` the page at fault (0: none)."""

    code = "unreadable"
    status = 422

    def __init__(self, reason: str, page: int = 0, most: int = 0) -> None:
        super().__init__(UNREADABLE[reason], page=page, most=most)
        self.reason = reason
        self.page = page


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a document is read: pages, bytes after unpacking, pixels of a picture, seconds a page."""

    pages: int = 2_000
    unpacked_bytes: int = 300_000_000
    pixels: int = 80_000_000
    page_characters: int = 500_000
    page_seconds: float = 60.0


def page_of(
    number: int,
    drafts: Sequence[Draft],
    *,
    source: PageSource = "text",
    title: str = "",
    hidden: Sequence[str] = (),
    confidence: float = 1.0,
    fingerprint: str = "",
) -> Page:
    """Put blocks on a page. Without a fingerprint of its picture, that of its content is taken."""
    parts: list[str] = []
    blocks: list[Block] = []
    at = 0
    for given in drafts:
        draft = _clean(given)
        text = draft.text.strip("\n") if draft.kind == "code" else draft.text.strip()
        if not text.strip():
            continue
        blocks.append(Block(draft.kind, at, at + len(text), draft.level, draft.rows, _placed(text, at, draft.lines)))
        parts.append(text)
        at += len(text) + len(_BETWEEN)
    seen = tuple(_storable(text)[:_LONGEST_HIDDEN] for text in hidden[:_MOST_HIDDEN])
    page = Page(number, _BETWEEN.join(parts), tuple(blocks), source, _storable(title), seen, confidence, fingerprint)
    return page if fingerprint else _with_fingerprint(page)


def to_wire(page: Page) -> dict[str, object]:
    """The page as plain JSON values."""
    return {
        "number": page.number,
        "text": page.text,
        "source": page.source,
        "title": page.title,
        "hidden": list(page.hidden),
        "confidence": page.confidence,
        "fingerprint": page.fingerprint,
        "blocks": [
            {
                "kind": block.kind,
                "at": [block.start, block.end],
                "level": block.level,
                "rows": [list(row) for row in block.rows],
                "lines": [[line.start, line.end, *line.box] for line in block.lines],
            }
            for block in page.blocks
        ],
    }


def from_wire(found: dict[str, object]) -> Page:
    """The page that `to_wire` wrote. Raises `KeyError`, `TypeError` or `ValueError` for anything else."""
    blocks = found["blocks"]
    hidden = found["hidden"]
    if not (isinstance(blocks, list) and isinstance(hidden, list)):
        raise TypeError("a page has lists of blocks and of hidden texts")
    return Page(
        number=int(str(found["number"])),
        text=str(found["text"]),
        blocks=tuple(_block(block) for block in blocks),
        source="ocr" if found["source"] == "ocr" else "text",
        title=str(found["title"]),
        hidden=tuple(str(text) for text in hidden),
        confidence=float(str(found["confidence"])),
        fingerprint=str(found["fingerprint"]),
    )


def composed(text: str) -> str:
    """Text in one form however its letters were put together: NFC, and Thai sara am whole, as people type it."""
    return _SARA_AM.sub("\\1\u0e33", unicodedata.normalize("NFC", text))


def table_text(rows: Sequence[Sequence[str]]) -> str:
    """How a table reads: a line per row, ` | ` between cells."""
    return "\n".join(" | ".join(cell.replace("\n", " ").strip() for cell in row) for row in rows)


def _storable(text: str) -> str:
    """Without what no database keeps as text: zeros, and halves of characters."""
    return _NOT_TEXT.sub("", text)


def _clean(draft: Draft) -> Draft:
    if not _NOT_TEXT.search(draft.text):
        return draft
    rows = tuple(tuple(map(_storable, row)) for row in draft.rows)
    lines = tuple((_storable(line), box) for line, box in draft.lines)
    return Draft(draft.kind, _storable(draft.text), draft.level, rows, lines)


def _placed(text: str, at: int, lines: Sequence[tuple[str, Box]]) -> tuple[Line, ...]:
    """Where each line stands in the block; one that is not found as it was written has no place."""
    placed: list[Line] = []
    cursor = 0
    for line, box in lines:
        found = text.find(line, cursor)
        if found >= 0 and line:
            placed.append(Line(at + found, at + found + len(line), box))
            cursor = found + len(line)
    return tuple(placed)


def _with_fingerprint(page: Page) -> Page:
    content = json.dumps(to_wire(page), ensure_ascii=False, sort_keys=True)
    fingerprint = hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()[:32]
    return Page(page.number, page.text, page.blocks, page.source, page.title, page.hidden, page.confidence, fingerprint)


def _block(found: dict[str, list[object]]) -> Block:
    start, end = (int(str(offset)) for offset in found["at"])
    rows = tuple(tuple(str(cell) for cell in _list(row)) for row in found["rows"])
    lines = tuple(_line(_list(line)) for line in found["lines"])
    kind: BlockKind = str(found["kind"])  # type: ignore[assignment]  # written by `to_wire` alone
    return Block(kind, start, end, int(str(found["level"])), rows, lines)


def _line(found: list[object]) -> Line:
    start, end, *box = found
    return Line(int(str(start)), int(str(end)), Box(*(float(str(side)) for side in box)))


def _list(found: object) -> list[object]:
    return found if isinstance(found, list) else []
