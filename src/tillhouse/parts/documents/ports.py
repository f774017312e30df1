"""What prints papers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from tillhouse.parts.documents.domain.papers import Attachment
from tillhouse.parts.documents.domain.text import Json

Template = Literal["receipt", "statement", "invoice", "certificate", "letter"]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A paper ready to be printed: every text in `content` is in the reader's language, and only data.

    `frame` is what steers the templates and comes from us alone. `title`, `author` and `description` go into the file's
    own properties. `logo` is a picture as someone gave it, `code` a QR code as SVG that we drew.
    """

    template: Template
    frame: Mapping[str, str]
    title: str
    author: str
    description: str
    content: Json
    made_at: datetime
    logo: bytes | None = None
    code: str | None = None
    attachments: Sequence[Attachment] = ()


class Press(Protocol):
    """Makes PDF files: PDF/A-3a and PDF/UA-1, the same bytes for the same sheet in every process."""

    async def pdf(self, sheet: Sheet) -> bytes:
        """The file. Raises `InvalidInput` for a logo or an attachment that cannot be used."""
        ...

    async def close(self) -> None:
        """Take no more."""
        ...


@dataclass(frozen=True, slots=True)
class InstalledPress:
    """The press of this house, which is made when the first paper is printed."""

    load: Callable[[], Press]
