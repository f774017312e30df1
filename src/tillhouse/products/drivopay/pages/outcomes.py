"""How a page says what became of money: a colour, a sign, a title, and a sentence about the money."""

from dataclasses import dataclass
from typing import Literal

Tone = Literal["success", "info", "warning", "danger", "neutral"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`title` and `text` are English message ids; `waiting` lets the sign breathe."""

    tone: Tone
    icon: str
    title: str
    text: str
    waiting: bool = False
