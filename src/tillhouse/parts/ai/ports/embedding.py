"""The port of what turns texts into vectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Side = Literal["question", "passage"]


@dataclass(frozen=True, slots=True)
class Embedded:
    """One vector per text, in their order, each of length one; and the tokens that were read."""

    vectors: tuple[tuple[float, ...], ...]
    tokens: int
    estimated: bool = False


class EmbeddingEndpoint(Protocol):
    """Somewhere that embeds. Its name is the first part of `endpoint/model`."""

    @property
    def name(self) -> str: ...

    @property
    def most_texts(self) -> int:
        """How many texts one call may hold."""
        ...

    @property
    def most_tokens(self) -> int:
        """How many tokens one call may hold."""
        ...

    async def embed(
        self, model: str, texts: Sequence[str], side: Side, dimensions: int | None, seconds: float
    ) -> Embedded:
        """Vectors of `texts`. Must not be called in a transaction. Raises `ModelFailure`."""
        ...


@dataclass(frozen=True, slots=True)
class InstalledEmbedding:
    """An adapter, as it is provided. `dimensions` of its default model's vectors; `default_model` and `last` as for
    chat."""

    endpoint: EmbeddingEndpoint
    default_model: str = ""
    dimensions: int | None = None
    last: bool = False
