"""How a page says what became of money: a colour, a sign, a title, and a sentence about the money."""

from dataclasses import dataclass, replace
from typing import Literal, Self

from tillhouse.kernel.web.i18n import gettext

Tone = Literal["success", "info", "warning", "danger", "neutral"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`title` is an English message id until `saying` makes it one for a page; `waiting` lets the sign breathe."""

    tone: Tone
    icon: str
    title: str
    text: str = ""
    waiting: bool = False

    def saying(self, text: str) -> Self:
        """The outcome in the reader's language with a translated `text`."""
        return replace(self, title=gettext(self.title), text=text)
