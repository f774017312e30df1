"""Word documents. Pages are those that Word left marks of; without marks there is one."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from zipfile import BadZipFile

import docx
from docx.document import Document
from docx.oxml.ns import qn
from docx.table import Table
from docx.text.paragraph import Paragraph
from docx.text.run import Run
from lxml.etree import LxmlError  # type: ignore[import-untyped]  # it has no types

from tillhouse.parts.ai.domain.reading import Draft, Page, Unreadable, page_of, table_text
from tillhouse.parts.ai.providers.reading.formats import Pages
from tillhouse.parts.ai.providers.reading.formats.packages import checked
from tillhouse.parts.ai.providers.reading.wire import Request

_SMALLEST_POINTS = 2.0


@dataclass
class _Reading:
    number: int = 1
    drafts: list[Draft] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)


def read(content: bytes, request: Request) -> tuple[int, Pages]:
    """Headings by style, paragraphs, lists and tables in their order."""
    opened = _open(checked(content, request))
    return 0, _pages(opened)


def _open(content: BytesIO) -> Document:
    try:
        return docx.Document(content)
    except (ValueError, KeyError, BadZipFile, LxmlError, AttributeError) as error:
        raise Unreadable("not_a_document") from error


def _pages(document: Document) -> Iterator[Page]:
    reading = _Reading()
    title = document.core_properties.title or ""
    for element in document.element.body.iterchildren():
        if element.tag == qn("w:p"):
            paragraph = Paragraph(element, document)
            breaks = _breaks(paragraph)
            if breaks and reading.drafts:  # what stands before the break within a paragraph is seldom more than it
                yield page_of(reading.number, reading.drafts, title=title, hidden=reading.hidden)
                reading = _Reading(reading.number + breaks)
            _paragraph(paragraph, reading)
        elif element.tag == qn("w:tbl"):
            _table(Table(element, document), reading)
    yield page_of(reading.number, reading.drafts, title=title, hidden=reading.hidden)


def _breaks(paragraph: Paragraph) -> int:
    found = paragraph._p.xpath(".//w:lastRenderedPageBreak | .//w:br[@w:type='page']")  # noqa: SLF001  # its XML
    return len(found)


def _paragraph(paragraph: Paragraph, reading: _Reading) -> None:
    text = _text(paragraph, reading)
    if not text.strip():
        return
    style = (paragraph.style.name or "") if paragraph.style is not None else ""
    if style == "Title":
        reading.drafts.append(Draft("heading", text, level=1))
    elif style.startswith("Heading ") and style[8:9].isdigit():
        reading.drafts.append(Draft("heading", text, level=max(1, min(6, int(style[8:9])))))
    else:
        listed = style.startswith("List") or bool(paragraph._p.xpath("./w:pPr/w:numPr"))  # noqa: SLF001  # its XML
        reading.drafts.append(Draft("list" if listed else "paragraph", text))


def _text(paragraph: Paragraph, reading: _Reading) -> str:
    shown: list[str] = []
    for item in paragraph.iter_inner_content():
        runs = [item] if isinstance(item, Run) else item.runs
        for run in runs:
            if _is_hidden(run):
                reading.hidden += [run.text] if run.text.strip() else []
            else:
                shown.append(run.text.replace("\n", " ").replace("\t", " "))
    return "".join(shown).strip()


def _is_hidden(run: Run) -> bool:
    font = run.font
    if font.hidden or (font.size is not None and font.size.pt < _SMALLEST_POINTS):
        return True
    white = font.color is not None and font.color.rgb is not None and str(font.color.rgb) == "FFFFFF"
    return white and not run._r.xpath("./w:rPr/w:highlight | ./w:rPr/w:shd")  # noqa: SLF001  # its XML


def _table(table: Table, reading: _Reading) -> None:
    rows: list[tuple[str, ...]] = []
    for row in table.rows:
        cells: list[str] = []
        seen: set[int] = set()
        for cell in row.cells:  # a merged cell comes once for each column that it spans
            if id(cell._tc) not in seen:  # noqa: SLF001  # its XML
                seen.add(id(cell._tc))  # noqa: SLF001  # its XML
                cells.append(" ".join(_text(part, reading) for part in cell.paragraphs).strip())
        if any(cells):
            rows.append(tuple(cells))
    if rows:
        shaded = tuple(rows)
        reading.drafts.append(Draft("table", table_text(shaded), rows=shaded))
