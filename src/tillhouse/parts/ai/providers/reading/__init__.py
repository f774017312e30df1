"""Reading documents: text, tables and places of PDF, office files, HTML, Markdown, text and pictures.

A document is read in a process of its own (`child`), which is given the bytes and nothing else: no setting, no secret,
no database. What crashes, hangs or swells there ends with that process; the libraries it needs (pdfium, lxml, OCR) are
loaded there and nowhere else. This file imports nothing, since the child begins by importing it.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tillhouse.kernel.house import House


def install(house: "House") -> Sequence[object]:
    """The reader, as the settings say."""
    provided: Sequence[object] = import_module(f"{__name__}.process").provided(house)
    return provided
