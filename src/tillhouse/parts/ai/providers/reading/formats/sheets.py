"""Excel workbooks: a sheet is a page, and one table. A sheet that is hidden is told of, not read."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from io import BytesIO
from zipfile import BadZipFile

from openpyxl import Workbook, load_workbook  # type: ignore[import-untyped]  # it has no types
from openpyxl.utils.exceptions import InvalidFileException  # type: ignore[import-untyped]  # nor here

from tillhouse.parts.ai.domain.reading import Draft, Page, Unreadable, page_of, table_text
from tillhouse.parts.ai.providers.reading.formats import Pages
from tillhouse.parts.ai.providers.reading.formats.packages import checked
from tillhouse.parts.ai.providers.reading.wire import Request

_MOST_COLUMNS = 200


def read(content: bytes, request: Request) -> tuple[int, Pages]:
    """Values as they were last computed; empty rows are left out."""
    book = _open(checked(content, request))
    return len(book.sheetnames), _pages(book, request.limits.page_characters)


def _open(content: BytesIO) -> Workbook:
    try:
        return load_workbook(content, read_only=True, data_only=True, keep_links=False)
    except (ValueError, KeyError, BadZipFile, InvalidFileException, TypeError, OSError) as error:
        raise Unreadable("not_a_document") from error


def _pages(book: Workbook, most: int) -> Iterator[Page]:
    for number, sheet in enumerate(book.worksheets, start=1):
        title = sheet.title or ""
        try:
            rows = list(_rows(sheet.iter_rows(max_col=_MOST_COLUMNS, values_only=True), most))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unreadable("damaged", number) from error
        if sheet.sheet_state != "visible":
            yield page_of(number, [], title=title, hidden=[table_text(rows)] if rows else [])
            continue
        drafts = [Draft("heading", title, level=1)]
        drafts += [Draft("table", table_text(rows), rows=tuple(rows))] if rows else []
        yield page_of(number, drafts if rows else [], title=title)


def _rows(rows: Iterator[tuple[object, ...]], most: int) -> Iterator[tuple[str, ...]]:
    size = 0
    for row in rows:
        cells = _trimmed([_shown(value) for value in row])
        size += sum(map(len, cells))
        if size > most:
            raise Unreadable("too_large")
        if cells:
            yield tuple(cells)


def _trimmed(cells: Sequence[str]) -> Sequence[str]:
    end = len(cells)
    while end and not cells[end - 1]:
        end -= 1
    return cells[:end]


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(" ", "minutes") if value.time() != time() else value.date().isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float):
        return f"{value:.10g}"
    return " ".join(str(value).split())
