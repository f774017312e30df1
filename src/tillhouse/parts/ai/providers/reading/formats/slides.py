"""PowerPoint presentations: a slide is a page; the speaker's notes stand below it."""

from collections.abc import Iterator
from io import BytesIO
from zipfile import BadZipFile

from lxml.etree import LxmlError  # type: ignore[import-untyped]  # it has no types
from pptx import Presentation
from pptx.exc import PackageNotFoundError
from pptx.presentation import Presentation as Opened
from pptx.shapes.autoshape import Shape
from pptx.shapes.base import BaseShape
from pptx.shapes.graphfrm import GraphicFrame
from pptx.shapes.group import GroupShape
from pptx.slide import Slide

from tillhouse.parts.ai.domain.reading import Draft, Page, Unreadable, page_of, table_text
from tillhouse.parts.ai.providers.reading.formats import Pages
from tillhouse.parts.ai.providers.reading.formats.packages import checked
from tillhouse.parts.ai.providers.reading.wire import Request

_DEEPEST = 20


def read(content: bytes, request: Request) -> tuple[int, Pages]:
    """The title of each slide is its heading; the rest follows from top to bottom."""
    opened = _open(checked(content, request))
    return len(opened.slides), _pages(opened)


def _open(content: BytesIO) -> Opened:
    try:
        return Presentation(content)
    except (ValueError, KeyError, BadZipFile, LxmlError, PackageNotFoundError, AttributeError) as error:
        raise Unreadable("not_a_document") from error


def _pages(opened: Opened) -> Iterator[Page]:
    for number, slide in enumerate(opened.slides, start=1):
        try:
            yield _page(number, slide)
        except (KeyError, AttributeError, ValueError) as error:
            raise Unreadable("damaged", number) from error


def _page(number: int, slide: Slide) -> Page:
    title = slide.shapes.title
    heading = " ".join(title.text_frame.text.split()) if title is not None else ""
    drafts = [Draft("heading", heading, level=1)] if heading else []
    shapes = [shape for shape in slide.shapes if title is None or shape.shape_id != title.shape_id]
    for shape in sorted(shapes, key=lambda one: (one.top or 0, one.left or 0)):
        drafts.extend(_drafts(shape, 0))
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        notes = slide.notes_slide.notes_text_frame.text.strip()
        drafts += [Draft("paragraph", notes)] if notes else []
    return page_of(number, drafts, title=heading)


def _drafts(shape: BaseShape, depth: int) -> Iterator[Draft]:
    if isinstance(shape, GroupShape) and depth < _DEEPEST:
        for inner in shape.shapes:
            yield from _drafts(inner, depth + 1)
    elif isinstance(shape, GraphicFrame) and shape.has_table:
        rows = tuple(tuple(" ".join(cell.text.split()) for cell in row.cells) for row in shape.table.rows)
        yield Draft("table", table_text(rows), rows=rows)
    elif isinstance(shape, Shape) and shape.has_text_frame:
        for paragraph in shape.text_frame.paragraphs:
            text = " ".join(paragraph.text.split())
            if text:
                yield Draft("list" if shape.is_placeholder else "paragraph", text)
