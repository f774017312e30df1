"""Documents and search, for products.

    document = await add_document(session, owner_id, "manuals", file_id)     # a job reads and indexes it
    found = await search(house, owner_id, "manuals", "when are refunds paid?")
    checked = check_citations(answer, [passage.text for passage in found.passages])

Where a document stands is in `document(…)`; `live` channel `ai.document:<id>` says when to look again.
"""

from tillhouse.parts.ai.domain.citations import Citation, check_citations, find_quote
from tillhouse.parts.ai.domain.documents import DocumentState
from tillhouse.parts.ai.domain.passages import Document, Found, Passage, Way
from tillhouse.parts.ai.domain.reading import Block, Box, Line, Page
from tillhouse.parts.ai.flows.searching import search
from tillhouse.parts.ai.service.documents import (
    add_document,
    delete_document,
    document,
    documents,
    page,
    replace_document,
)

__all__ = [
    "Block",
    "Box",
    "Citation",
    "Document",
    "DocumentState",
    "Found",
    "Line",
    "Page",
    "Passage",
    "Way",
    "add_document",
    "check_citations",
    "delete_document",
    "document",
    "documents",
    "find_quote",
    "page",
    "replace_document",
    "search",
]
