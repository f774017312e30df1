"""Opening balances: read as a whole, judged as a whole, booked as a whole, and once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tillhouse.kernel import clock
from tillhouse.kernel.db import Session
from tillhouse.kernel.errors import DomainError
from tillhouse.parts.ledger.domain import MAX_POSTINGS
from tillhouse.parts.ledger.domain.openings import LineFault, OpeningLine, read_openings
from tillhouse.parts.ledger.service.charts import chart_of
from tillhouse.parts.ledger.service.posting import post_many


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file. With `faults` the caller rolls back: nothing of it may stay."""

    booked: Sequence[OpeningLine]
    already: Sequence[OpeningLine]
    faults: Sequence[LineFault]


async def import_openings(session: Session, file: str, rows: Iterable[str]) -> Imported:
    """Book the opening balances in `rows`, the lines of a CSV file called `file`.

    A line that was booked from a file of that name before is left alone; one that says something else now is a fault.
    Any fault at all: roll back. A dry run is the same, rolled back in any case.
    """
    chart = chart_of(session)
    lines, faults = read_openings(rows, chart, clock.now().date())
    if faults:
        return Imported([], [], faults)
    booked, already = list[OpeningLine](), list[OpeningLine]()
    for start in range(0, len(lines), MAX_POSTINGS):
        some = lines[start : start + MAX_POSTINGS]
        results = await post_many(session, [line.posting(file, chart) for line in some])
        for line, result in zip(some, results, strict=True):
            if isinstance(result, DomainError):
                faults.append(LineFault(line.number, result))
            else:
                (already if result.replayed else booked).append(line)
    return Imported(booked, already, faults)
