"""Printing of the sample papers."""

from collections.abc import Callable
from typing import Any

from tests.parts.documents import papers
from tests.parts.documents.papers import READERS
from tillhouse.kernel.house import House
from tillhouse.kernel.web.i18n import Reader
from tillhouse.parts.documents import api as documents

PAPERS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "receipt": (papers.receipt, documents.render_receipt),
    "statement": (papers.statement, documents.render_statement),
    "invoice": (papers.invoice, documents.render_invoice),
    "certificate": (papers.certificate, documents.render_certificate),
    "letter": (papers.letter, documents.render_letter),
}
EN, HI, VI, TH, HE = (READERS[tag] for tag in ("en", "hi", "vi", "th", "he"))


async def printed(house: House, kind: str, reader: Reader = EN, **changes: object) -> bytes:
    make, render_it = PAPERS[kind]
    made: bytes = await render_it(house, make(**changes), reader)
    return made
