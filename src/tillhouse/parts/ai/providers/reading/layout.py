"""From pieces of text on a page to headings, paragraphs, lists and tables: for PDF and for OCR alike.

Coordinates are in any unit, from the upper left corner of the page, x to the right and y down.
"""

import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tillhouse.parts.ai.domain.reading import Box, Draft, table_text

_LIST = re.compile(r"^\s*(?:[•●▪◦‣–*·-]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+\S", re.IGNORECASE)
_LABEL = re.compile(r"^\s*(?:[•●▪◦‣–*·-]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s*$", re.IGNORECASE)
_LEFTWARD = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
_WIDE_GAP = 0.8  # letters' heights between two cells of a row; words stand closer
_LONGEST_HEADING = 160
_SENTENCE_END = (".", "。", ";", ",", "।", ":")


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text in one line, as the page has it. `size` is the height of its letters; `broken`: its last word goes
    on in the next line.
    """

    text: str
    left: float
    top: float
    right: float
    bottom: float
    size: float
    bold: bool = False
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """The size of the page that pieces are on, of the letters of its running text, and of the gap between its lines."""

    width: float
    height: float
    body: float
    gap: float = 0.0

    def box(self, pieces: Sequence[Piece]) -> Box:
        """What holds all pieces, in fractions of the page, to a ten-thousandth."""
        left = min(piece.left for piece in pieces) / self.width
        top = min(piece.top for piece in pieces) / self.height
        right = max(piece.right for piece in pieces) / self.width
        bottom = max(piece.bottom for piece in pieces) / self.height
        return Box(*(round(min(1.0, max(0.0, side)), 4) for side in (left, top, right, bottom)))


Row = list[Piece]


def body_size(pieces: Sequence[Piece]) -> float:
    """The size of letters that most of the text has; 0 for none."""
    sizes: dict[float, int] = {}
    for piece in pieces:
        size = round(piece.size * 2) / 2
        sizes[size] = sizes.get(size, 0) + len(piece.text)
    return max(sizes, key=lambda size: (sizes[size], -size)) if sizes else 0.0


def blocks(pieces: Sequence[Piece], width: float, height: float) -> list[Draft]:
    """What the pieces of a page of this size say, in the order in which they come."""
    rows = [_with_labels(_cells_of(row)) for row in _rows(pieces)]
    sheet = Sheet(width, height, body_size(pieces), _usual_gap(rows))
    drafts: list[Draft] = []
    at = 0
    while at < len(rows):
        end = _table_end(rows, at)
        if end > at + 1:
            drafts.append(_table(rows[at:end], sheet))
        else:
            end = _paragraph_end(rows, at, sheet)
            drafts.append(_paragraph([piece for row in rows[at:end] for piece in row], sheet))
        at = end
    return drafts


def _rows(pieces: Sequence[Piece]) -> Iterator[Row]:
    """Pieces that stand beside each other, in the order in which they are read."""
    row: Row = []
    for piece in pieces:
        if row and not _beside(row[-1], piece):
            yield _in_reading_order(row)
            row = []
        row.append(piece)
    if row:
        yield _in_reading_order(row)


def _beside(one: Piece, other: Piece) -> bool:
    overlap = min(one.bottom, other.bottom) - max(one.top, other.top)
    lower = min(one.bottom - one.top, other.bottom - other.top)
    apart = other.left >= one.right - 0.3 * one.size or other.right <= one.left + 0.3 * one.size
    return apart and overlap > 0.5 * lower


def _in_reading_order(row: Row) -> Row:
    """From left to right, or from right to left where most letters are Hebrew or Arabic; numbers and Latin words inside
    such a line keep their own order.
    """
    letters = [letter for piece in row for letter in piece.text if letter.isalpha()]
    if 2 * sum(1 for letter in letters if _LEFTWARD.match(letter)) <= len(letters):
        return sorted(row, key=lambda piece: piece.left) if letters else row
    ordered: Row = []
    rightward: Row = []
    for piece in sorted(row, key=lambda piece: -piece.right):
        if _LEFTWARD.search(piece.text):
            ordered += [*reversed(rightward), piece]
            rightward = []
        else:
            rightward.append(piece)
    return [*ordered, *reversed(rightward)]


def _cells_of(row: Row) -> Row:
    """Pieces with no more than a space between them are one; what is wider apart are cells."""
    cells: Row = []
    for piece in row:
        if cells and _distance(cells[-1], piece) < _WIDE_GAP * min(cells[-1].size, piece.size):
            cells[-1] = _together(cells[-1], piece)
        else:
            cells.append(piece)
    return cells


def _distance(one: Piece, other: Piece) -> float:
    return max(other.left - one.right, one.left - other.right)


def _together(one: Piece, other: Piece) -> Piece:
    space = "" if _distance(one, other) < 0.12 * one.size and not _LEFTWARD.search(one.text + other.text) else " "
    return Piece(
        f"{one.text}{space}{other.text}", min(one.left, other.left), min(one.top, other.top),
        max(one.right, other.right), max(one.bottom, other.bottom), max(one.size, other.size),
        one.bold and other.bold, other.broken,
    )  # fmt: skip


def _usual_gap(rows: Sequence[Row]) -> float:
    """The gap between lines that most often is."""
    gaps = [below[0].top - above[0].bottom for above, below in pairwise(rows) if len(above) == len(below) == 1]
    near = [gap for gap, (row, _) in zip(gaps, pairwise(rows), strict=False) if 0 <= gap <= 1.5 * row[0].size]
    return statistics.median(near) if near else 0.0


def _with_labels(row: Row) -> Row:
    """A row whose first piece is but a bullet or number is one piece."""
    if len(row) < 2 or not _LABEL.match(row[0].text):
        return row
    label, first = row[0], row[1]
    joined = Piece(
        f"{label.text.strip()} {first.text}", label.left, min(label.top, first.top), first.right,
        max(label.bottom, first.bottom), first.size, first.bold, first.broken,
    )  # fmt: skip
    return [joined, *row[2:]]


def _table_end(rows: Sequence[Row], at: int) -> int:
    """Where the table that begins at this row ends: rows of two or more cells that stand under each other."""
    end = at
    while end < len(rows) and len(rows[end]) >= 2 and (end == at or _aligned(rows[end - 1], rows[end])):
        end += 1
    return end


def _aligned(above: Row, below: Row) -> bool:
    tolerance = 1.5 * max(above[0].size, below[0].size)
    gap = below[0].top - above[0].bottom
    if gap > 4 * max(above[0].size, below[0].size):
        return False
    edges = [edge for cell in above[1:] for edge in (cell.left, cell.right, (cell.left + cell.right) / 2)]
    found = [(cell.left, cell.right, (cell.left + cell.right) / 2) for cell in below[1:]]
    return any(abs(edge - mine) <= tolerance for edge in edges for cell in found for mine in cell)


def _table(rows: Sequence[Row], sheet: Sheet) -> Draft:
    columns = _columns(rows)
    cells = tuple(tuple(_cells(row, columns)) for row in rows)
    text = table_text(cells)
    lines = [(line, sheet.box(row)) for line, row in zip(text.split("\n"), rows, strict=True)]
    return Draft("table", text, rows=cells, lines=tuple(lines))


def _columns(rows: Sequence[Row]) -> list[float]:
    """The left edges of the fullest row: where a row has fewer cells, the others are empty."""
    return [cell.left for cell in max(rows, key=len)]


def _cells(row: Row, columns: Sequence[float]) -> Iterator[str]:
    if len(row) == len(columns):
        yield from (cell.text.strip() for cell in row)
        return
    found = [""] * len(columns)
    for cell in row:  # the nearest column
        nearest = min(range(len(columns)), key=lambda i: abs(columns[i] - cell.left))
        found[nearest] = f"{found[nearest]} {cell.text.strip()}".strip()
    yield from found


def _paragraph_end(rows: Sequence[Row], at: int, sheet: Sheet) -> int:
    end = at + 1
    while (
        end < len(rows)
        and len(rows[end]) == 1
        and len(rows[at]) == 1
        and _goes_on(rows[end - 1][0], rows[end][0], sheet)
    ):
        end += 1
    return end


def _goes_on(above: Piece, below: Piece, sheet: Sheet) -> bool:
    if _LIST.match(below.text) or abs(above.size - below.size) > 0.12 * above.size or above.bold != below.bold:
        return False
    gap = below.top - above.bottom
    if not -0.6 * below.size <= gap <= max(0.65 * below.size, 1.35 * sheet.gap):
        return False
    indented = below.left - above.left > 1.2 * below.size
    return not (indented and above.text.rstrip().endswith((".", "。", "!", "?")))


def _paragraph(pieces: Sequence[Piece], sheet: Sheet) -> Draft:
    text, lines = _joined(pieces, sheet)
    level = _heading_level(pieces, text, sheet)
    if level:
        return Draft("heading", text, level=level, lines=lines)
    return Draft("list" if _LIST.match(text) else "paragraph", text, lines=lines)


def _joined(pieces: Sequence[Piece], sheet: Sheet) -> tuple[str, tuple[tuple[str, Box], ...]]:
    text = ""
    lines = []
    for number, piece in enumerate(pieces):
        line = piece.text.strip()
        lines.append((line, sheet.box([piece])))
        text += line
        if number + 1 < len(pieces) and not piece.broken and not _no_space(line, pieces[number + 1].text.strip()):
            text += " "
    return text, tuple(lines)


def _no_space(line: str, following: str) -> bool:
    """Chinese, Japanese and Thai go on in the next line as they would in this one."""

    def unspaced(letter: str) -> bool:
        return "\u3000" <= letter <= "\u9fff" or "\u0e00" <= letter <= "\u0e7f" or "\uff00" <= letter <= "\uff60"

    return bool(line and following) and unspaced(line[-1]) and unspaced(following[0])


def _heading_level(pieces: Sequence[Piece], text: str, sheet: Sheet) -> int:
    if len(text) > _LONGEST_HEADING or not sheet.body or not any(letter.isalpha() for letter in text):
        return 0
    ratio = statistics.median(piece.size for piece in pieces) / sheet.body
    for level, least in ((1, 1.7), (2, 1.35), (3, 1.15)):
        if ratio >= least:
            return level
    stands_alone = len(pieces) <= 2 and not text.rstrip().endswith(_SENTENCE_END)
    return 4 if stands_alone and ratio >= 0.95 and all(piece.bold for piece in pieces) else 0
