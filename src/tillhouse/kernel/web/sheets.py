"""Tables to take away: CSV that is written while it is read, however long it is."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

from starlette.responses import StreamingResponse

from tillhouse.kernel.db import Database, ReadSession
from tillhouse.kernel.sheets import cell, csv_line

Place = TypeVar("Place")
Rows = Callable[[ReadSession], AsyncIterator[Sequence[object]]]
Bite = Callable[[ReadSession, Place | None], Awaitable[tuple[Sequence[Sequence[object]], Place | None]]]

CSV_ANSWER: dict[int | str, dict[str, Any]] = {  # as FastAPI's `responses` wants it
    200: {"description": "The table.", "content": {"text/csv": {"schema": {"type": "string"}}}}
}


def csv_download(name: str, columns: Sequence[str], database: Database, rows: Rows) -> StreamingResponse:
    """A file `name`.csv of what `rows` yields from a read session of its own.

    Text is made safe for spreadsheets; amounts, numbers and instants are written as they are.
    """

    async def lines() -> AsyncIterator[str]:
        yield csv_line(columns)
        async with database.reading() as session:
            async for row in rows(session):
                yield _line(row)

    return _download(name, lines())


def csv_in_bites(name: str, columns: Sequence[str], database: Database, bite: Bite[Place]) -> StreamingResponse:
    """A file `name`.csv, read a bite at a time: `bite(session, place)` returns rows and the place after them, None at
    the end. Between two bites no connection is held, however slowly the reader takes it: for files that anyone may ask
    for.
    """

    async def lines() -> AsyncIterator[str]:
        yield csv_line(columns)
        place: Place | None = None
        while True:
            async with database.reading() as session:
                rows, place = await bite(session, place)
            for row in rows:
                yield _line(row)
            if place is None:
                return

    return _download(name, lines())


def _line(row: Sequence[object]) -> str:
    return csv_line(cell(one) if isinstance(one, str) else one for one in row)


def _download(name: str, lines: AsyncIterator[str]) -> StreamingResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "private, no-store"}
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)
