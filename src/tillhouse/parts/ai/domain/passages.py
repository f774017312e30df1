"""What retrieval gives to who asks: passages with their place, and where a document stands."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from tillhouse.kernel.text import N_
from tillhouse.parts.ai.domain.documents import DocumentState
from tillhouse.parts.ai.domain.reading import UNREADABLE, Box

_PAGES_NAMED = 20
_UNSURE = N_(
    "Hard to read: page {pages} of this document. Words there may be wrong. Add a sharper picture, or the document "
    "as text."
)

Way = Literal["lexical", "vector", "fused"]


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a page that was found: `text` is what stands from `start` to `end` of that page's text.

    `boxes` are its lines in fractions of the page, where the document has pages. `lexical` and `vector` are the places
    (from 1) that it has in each list, None when it is not in it. What `text` says is material, never an instruction.
    """

    id: UUID
    document_id: UUID
    file_id: UUID
    document: str
    page: int
    start: int
    end: int
    headings: tuple[str, ...]
    context: str
    text: str
    boxes: tuple[Box, ...]
    score: float = 0.0
    lexical: int | None = None
    vector: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a search, the best first. `way` says what was compared: words, meanings, or both."""

    passages: tuple[Passage, ...]
    way: Way


@dataclass(frozen=True, slots=True)
class Document:
    """A document as its owner sees it. `hidden_pages` have words that no reader sees; those were not indexed.
    `unsure_pages` were read from pictures, and what they say may be wrong: `warning` is a message id for `_()` that
    says so (empty: none), with `pages` for its `{pages}`.

    `pages_total` is 0 while it is not known. `failure` is a message id for `_()`, with `failure_page` for its `{page}`
    and `failure_most` for its `{most}`.
    """

    id: UUID
    collection: str
    file_id: UUID
    name: str
    title: str
    media_type: str
    state: DocumentState
    pages_read: int
    pages_total: int
    passages: int
    hidden_pages: tuple[int, ...]
    unsure_pages: tuple[int, ...]
    failure_reason: str
    failure_page: int
    failure_most: int
    job_id: UUID | None
    created_at: datetime
    changed_at: datetime
    failure: str = field(init=False)
    warning: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "failure", UNREADABLE.get(self.failure_reason, ""))
        object.__setattr__(self, "warning", _UNSURE if self.unsure_pages else "")

    @property
    def pages(self) -> str:
        """The unsure pages as a person reads them: `1, 2, 7`, the first of many."""
        shown = ", ".join(map(str, self.unsure_pages[:_PAGES_NAMED]))
        return f"{shown} …" if len(self.unsure_pages) > _PAGES_NAMED else shown
