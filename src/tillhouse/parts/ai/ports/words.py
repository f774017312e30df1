"""Who knows where words begin in a script that writes them without spaces."""

from dataclasses import dataclass
from typing import Literal

from tillhouse.kernel.house import House
from tillhouse.parts.ai.domain.words import SplitThai


@dataclass(frozen=True, slots=True)
class WordBreaker:
    """Splits a run of one script's letters into words. It computes and waits for nothing; its first call may load."""

    script: Literal["thai"]
    split: SplitThai


def thai_of(house: House) -> SplitThai:
    """The splitter of Thai in this house; without one, every run of letters is a word."""
    found = [breaker for breaker in house.provided(WordBreaker) if breaker.script == "thai"]
    return found[0].split if found else lambda run: [run]
