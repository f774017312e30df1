"""What reads documents."""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

from tillhouse.parts.ai.domain.reading import Page


@dataclass(frozen=True, slots=True)
class Total:
    """How many pages there are; 0 when that is known only at the end. Comes first."""

    pages: int


@dataclass(frozen=True, slots=True)
class Known:
    """A page whose picture has the fingerprint of one that was read before, and says what that one said."""

    number: int
    fingerprint: str


What = Total | Page | Known


@dataclass(frozen=True, slots=True)
class Reader:
    """`read(content, media_type, name, languages, known)` yields the total, then every page in its order.

    `languages` are those that the document may be in; `known` fingerprints of pictures of pages that need not be read
    again. Raises `Unreadable`. Must not be called in a transaction; close the generator to stop.
    """

    read: Callable[[bytes, str, str, Sequence[str], Sequence[str]], AsyncGenerator[What, None]]
