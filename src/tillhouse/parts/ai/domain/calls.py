"""What is kept of a call to a model: who for, what for, how much, how it ended. Never what was said."""

import re
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from tillhouse.kernel.text import N_
from tillhouse.parts.ai.domain.chat import TokenUsage

CallKind = Literal["chat", "transcription", "embedding", "image"]
# `running` until it is known; `lost` when the process died and nobody will tell.
CallState = Literal["running", "done", "cut", "cancelled", "late", "failed", "lost"]
Outcome = Literal["done", "cut", "cancelled", "late", "failed"]
OwnerKind = Literal["person", "organisation", "house"]

_PURPOSE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose use it is. The house's own has no id."""

    kind: OwnerKind
    id: UUID | None = None

    def __post_init__(self) -> None:
        if (self.kind == "house") != (self.id is None):
            raise ValueError("a person or an organisation has an id, the house has none")


HOUSE = Owner("house")


@dataclass(frozen=True, slots=True)
class Use:
    """Who asks and what for: `purpose` is a dotted name such as `wordai.answer`, never a text of anyone's."""

    owner: Owner
    purpose: str

    def __post_init__(self) -> None:
        if not _PURPOSE.fullmatch(self.purpose):
            raise ValueError(f"a purpose is a dotted name such as wordai.answer, not {self.purpose[:40]!r}")


@dataclass(frozen=True, slots=True)
class PurposeTitle:
    """Provided by whoever uses models, or charges points for work of its own: what a purpose is called on people's
    pages and staff's (marked with `N_`)."""

    purpose: str
    title: str


INDEXING, SEARCH, PICTURES = "ai.index_passages", "ai.search", "ai.pictures"
OUR_PURPOSES = (
    PurposeTitle(INDEXING, N_("Putting documents into the search index")),
    PurposeTitle(SEARCH, N_("Searching documents")),
    PurposeTitle(PICTURES, N_("Making pictures")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """What a call came to: tokens, milliseconds of sound, or pieces of work (pictures, trainings).

    `estimated`: counted by us, not by the endpoint.
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    milliseconds: int = 0
    pieces: int = 0
    estimated: bool = False

    @property
    def tokens(self) -> TokenUsage:
        return TokenUsage(self.input, self.output, self.cached, self.estimated)

    @property
    def worked(self) -> bool:
        """Whether anything was done that is paid for. A call that ended with nothing has no amounts at all."""
        return bool(self.input or self.output or self.milliseconds or self.pieces)


@dataclass(frozen=True, slots=True)
class UsageLine:
    """What one purpose came to with one model. `calls` counts tries, `failed` those that did not end well; `cost` is
    billionths of `unit`."""

    purpose: str
    model: str
    unit: str
    calls: int
    failed: int
    input: int
    output: int
    cached: int
    milliseconds: int
    cost: int
