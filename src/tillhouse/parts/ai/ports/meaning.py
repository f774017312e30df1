"""What turns passages and questions into vectors, for search by meaning."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

Side = Literal["passage", "question"]


@dataclass(frozen=True, slots=True)
class PassageEmbedder:
    """`embed(owner_id, texts, side)` gives one vector per text. Vectors of two models do not compare.

    It raises `TransientError` where asking again may help, another `DomainError` where it will not. Must not be called
    in a transaction.
    """

    model: str
    embed: Callable[[UUID, Sequence[str], Side], Awaitable[Sequence[Sequence[float]]]]
