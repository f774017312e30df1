"""Tables to take away: CSV that is written while it is read, however long it is."""

from collections.abc import AsyncIterator, Callable, Sequence

from starlette.responses import StreamingResponse

from tillhouse.kernel.db import Database, ReadSession
from tillhouse.kernel.sheets import cell, csv_line

Rows = Callable[[ReadSession], AsyncIterator[Sequence[object]]]


def csv_download(name: str, columns: Sequence[str], database: Database, rows: Rows) -> StreamingResponse:
    """A file `name`.csv of what `rows` yields from a read session of its own.

    Text is made safe for spreadsheets; amounts, numbers and instants are written as they are.
    """

    async def lines() -> AsyncIterator[str]:
        yield csv_line(columns)
        async with database.reading() as session:
            async for row in rows(session):
                yield csv_line(cell(one) if isinstance(one, str) else one for one in row)

    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "private, no-store"}
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=headers)
