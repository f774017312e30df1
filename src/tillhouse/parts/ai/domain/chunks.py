"""Passages: pieces of a page that are found and quoted together.

A passage is one stretch of its page's text, so that its offsets are exact and its lines can be shown where they stand.
It never crosses a page or a heading that begins something as large as itself, is cut between sentences (or rows of a
table), and begins with the last sentences of the one before. What it needs to be understood, the headings above it and
the first row of a table that began earlier, is kept beside it and indexed with it.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tillhouse.parts.ai.domain.reading import Block, Box, Page
from tillhouse.parts.ai.domain.words import weight

_MOST_BOXES = 80


@dataclass(frozen=True, slots=True)
class Sizes:
    """How long passages are, in characters of Latin script."""

    most: float = 1_200.0
    overlap: float = 200.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage before it has an id: `start` and `end` count characters of the text of `page`."""

    page: int
    start: int
    end: int
    text: str
    headings: tuple[str, ...]
    context: str
    boxes: tuple[Box, ...]

    @property
    def searched(self) -> str:
        """What is indexed: the passage after its headings and its table's first row."""
        return (
            "\n".join([*self.headings, self.context, self.text])
            if self.context
            else "\n".join([*self.headings, self.text])
        )

    @property
    def fingerprint(self) -> bytes:
        """The same for the same words under the same headings, wherever they stand."""
        return hashlib.sha256(self.searched.encode("utf-8", "replace")).digest()[:16]


@dataclass(frozen=True, slots=True)
class _Unit:
    """A sentence, a row or a heading: what is not cut unless it is longer than a passage by itself."""

    start: int
    end: int
    headings: tuple[str, ...]
    context: str
    heading: bool


# A sentence ends at its mark (and a closing quote or bracket) before a space; full-width marks need none after them.
_END = re.compile(r"(?:(?<![A-Z])(?<!\b[A-Z])[.!?…]+[\"'”’)\]]*(?=\s)|[。！？｡]+[」』”’）]*|[।॥]+|\n{2,})\s*")
_ABBREVIATION = re.compile(
    r"\b(?:mr|mrs|ms|dr|prof|st|no|nos|vs|etc|e\.g|i\.e|approx|inc|ltd|co|fig|art|sec|tp|ths|ts)\.$", re.IGNORECASE
)
_THAI_SPACE = re.compile(r"(?<=[\u0e00-\u0e7f]) +(?=[\u0e00-\u0e7f0-9])")
_THAI = re.compile(r"[\u0e00-\u0e7f]")


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Where each sentence of a text begins and ends. Together they are the whole text.

    Thai writes no mark at the end of a sentence, but a space: there a space ends one.
    """
    ends = {
        found.end()
        for found in _END.finditer(text)
        if not _ABBREVIATION.search(text[max(0, found.start() - 11) : found.start() + 1])
    }
    if _THAI.search(text):
        ends |= {found.end() for found in _THAI_SPACE.finditer(text)}
    start = 0
    for end in sorted(ends | {len(text)}):
        if text[start:end].strip():
            yield start, end
            start = end
    return


def chunks(pages: Sequence[Page], sizes: Sizes) -> list[Chunk]:
    """The passages of a document, in its order."""
    found: list[Chunk] = []
    headings: list[tuple[int, str]] = []
    for page in pages:
        units = [piece for unit in _units(page, headings) for piece in _cut(page.text, unit, sizes.most)]
        found.extend(_packed(page, units, sizes))
    return found


def _units(page: Page, headings: list[tuple[int, str]]) -> Iterator[_Unit]:
    """The page's units under the headings that stand so far, which go on to the next page."""
    for block in page.blocks:
        text = page.text[block.start : block.end]
        if block.kind == "heading":
            while headings and headings[-1][0] >= block.level:
                headings.pop()
            yield _Unit(block.start, block.end, tuple(title for _, title in headings), "", heading=True)
            headings.append((block.level, " ".join(text.split())[:200]))
            continue
        above = tuple(title for _, title in headings)
        if block.kind == "table":
            yield from _rows(block, text, above)
        else:
            yield from (_Unit(block.start + a, block.start + b, above, "", heading=False) for a, b in sentences(text))


def _rows(block: Block, text: str, above: tuple[str, ...]) -> Iterator[_Unit]:
    at = block.start
    first = text.split("\n", 1)[0]
    for number, row in enumerate(text.split("\n")):
        yield _Unit(at, at + len(row), above, "" if number == 0 else first[:400], heading=False)
        at += len(row) + 1


def _cut(text: str, unit: _Unit, most: float) -> Iterator[_Unit]:
    """A unit too long for a passage in pieces, cut at spaces where there are any."""
    start = unit.start
    while weight(text[start : unit.end]) > most:
        end = _fitting(text, start, unit.end, most)
        yield _Unit(start, end, unit.headings, unit.context, unit.heading)
        start = end
    yield _Unit(start, unit.end, unit.headings, unit.context, unit.heading)


def _fitting(text: str, start: int, end: int, most: float) -> int:
    low, high = start + 1, end
    while low < high:
        middle = (low + high + 1) // 2
        if weight(text[start:middle]) <= most:
            low = middle
        else:
            high = middle - 1
    space = max(text.rfind(" ", start, low), text.rfind("\n", start, low))
    return space + 1 if space > start + (low - start) // 2 else low


def _packed(page: Page, units: Sequence[_Unit], sizes: Sizes) -> Iterator[Chunk]:
    first = 0
    while first < len(units):
        last = first
        while last + 1 < len(units) and _belongs(page.text, units, first, last + 1, sizes.most):
            last += 1
        if last > first and last + 1 < len(units) and units[last].heading:
            last -= 1  # a heading stands with what it is about
        yield _chunk(page, units[first : last + 1])
        if last + 1 >= len(units):
            return
        first = _overlapping(page.text, units, first, last, sizes.overlap)


def _belongs(text: str, units: Sequence[_Unit], first: int, one: int, most: float) -> bool:
    so_far = weight(text[units[first].start : units[one - 1].end])
    if weight(text[units[first].start : units[one].end]) > most:
        return False
    begins = units[one].heading and not units[one - 1].heading
    return not (begins and so_far > most / 4)


def _overlapping(text: str, units: Sequence[_Unit], first: int, last: int, overlap: float) -> int:
    """Where the next passage begins: at the last sentences of this one, unless a heading parts them."""
    following = last + 1
    if units[following].heading or units[following].headings != units[last].headings:
        return following
    begin = following
    while begin - 1 > first and not units[begin - 1].heading:
        if weight(text[units[begin - 1].start : units[last].end]) > overlap:
            break
        begin -= 1
    return begin


def _chunk(page: Page, units: Sequence[_Unit]) -> Chunk:
    start, end = units[0].start, units[-1].end
    while end > start and page.text[end - 1].isspace():
        end -= 1
    boxes = [line.box for block in page.blocks for line in block.lines if line.start < end and line.end > start]
    named = next((unit for unit in units if not unit.heading), units[0])
    headings = units[0].headings if units[0].heading else named.headings
    return Chunk(page.number, start, end, page.text[start:end], headings, units[0].context, tuple(boxes[:_MOST_BOXES]))
