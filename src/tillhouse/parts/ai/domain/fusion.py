"""Putting lists of results together by their ranks: reciprocal rank fusion (Cormack, Clarke and Büttcher, 2009)."""

from collections.abc import Hashable, Sequence
from typing import TypeVar

K = TypeVar("K", bound=Hashable)

_DAMPING = 60  # the paper's; how little the first places count more than those behind them


def fuse(lists: Sequence[Sequence[K]]) -> list[tuple[K, float]]:
    """The members of all lists with their scores, the best first. Scores of the lists themselves are not comparable.

    Of equal scores the one that stands first in the first list that has it comes first.
    """
    scores: dict[K, float] = {}
    for ranked in lists:
        for rank, key in enumerate(dict.fromkeys(ranked), start=1):
            scores[key] = scores.get(key, 0.0) + 1.0 / (_DAMPING + rank)
    return sorted(scores.items(), key=lambda item: -item[1])
