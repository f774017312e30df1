"""CSV, as a spreadsheet may open it."""

import csv
import io
import re
from collections.abc import Iterable

# A cell may end, too, where no comma says so: at the semicolon of many countries, and wherever a line does.
_FORMULA = re.compile(r"(\A|[\t\r\n;])(?=[=+\-@＝＋－＠\t\r])")


def cell(text: str) -> str:
    """Text as a spreadsheet may open it: an apostrophe stands before whatever it would take for a formula."""
    return _FORMULA.sub(r"\1'", text)


def csv_line(cells: Iterable[object]) -> str:
    """One line of CSV. Texts that people wrote go through `cell` first."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)  # what ends a line is what it puts into quotes
    return buffer.getvalue().removesuffix("\r\n") + "\n"
