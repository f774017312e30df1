"""Whether what an answer quotes is really in the passage that it names.

An answer cites as `“the words” [2]`: words between quotation marks, then the number of a passage as it was shown to the
model, from 1. Each such quotation is looked for in that passage. One that is not there is flagged; nothing is repaired.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Standing = Literal["exact", "normalised", "missing", "no_passage"]

_QUOTED = re.compile(r"(?:“([^”]{1,2000})”|\"([^\"]{1,2000})\"|«([^»]{1,2000})»|「([^」]{1,2000})」)")
_NUMBERS = re.compile(r"\s*((?:\[\d{1,3}\]\s*)+)")
_SAME = str.maketrans(
    {"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "–": "-", "—": "-", "‑": "-", "−": "-",
     "…": "...", "\u00ad": "", "\u200b": "", "\u200c": "", "\u200d": "", "\ufeff": ""}
)  # fmt: skip
_SHORTEST = 2  # letters and digits; less than that is in every passage


@dataclass(frozen=True, slots=True)
class Citation:
    """A quotation of an answer. `passage` counts from 0; `start` and `end` are in that passage's text where it stands.

    `at` is where the quotation begins in the answer.
    """

    quote: str
    at: int
    passage: int
    standing: Standing
    start: int = 0
    end: int = 0

    @property
    def verified(self) -> bool:
        return self.standing in ("exact", "normalised")


def check_citations(answer: str, passages: Sequence[str]) -> list[Citation]:
    """Every quotation of the answer that names passages, once for each, with where it stands there."""
    found: list[Citation] = []
    for quoted in _QUOTED.finditer(answer):
        numbers = _NUMBERS.match(answer, quoted.end())
        if not numbers:
            continue
        words = next(group for group in quoted.groups() if group)
        for number in re.findall(r"\d+", numbers[1]):
            found.append(_checked(words, quoted.start(), int(number) - 1, passages))
    return found


def find_quote(quote: str, text: str) -> tuple[Standing, int, int]:
    """Where a quotation stands in a text: as it is written, or but for case, spaces, quotes, dashes and Unicode form.

    `…` or `[...]` inside it leaves words out: the parts must follow each other. Raises nothing: `missing` has no place.
    """
    if sum(c.isalnum() for c in quote) < _SHORTEST:
        return "missing", 0, 0
    at = text.find(quote)
    if at >= 0:
        return "exact", at, at + len(quote)
    parts = [part for part in re.split(r"\s*(?:\[…\]|\[\.\.\.\]|…|\.\.\.)\s*", quote) if part.strip()]
    normal, places = _normalised(text)
    first, cursor = -1, 0
    for part in parts:
        wanted, _ = _normalised(part)
        wanted = wanted.strip()
        cursor = _find_words(normal, wanted, cursor)
        if cursor < 0 or not wanted:
            return "missing", 0, 0
        first = cursor if first < 0 else first
        cursor += len(wanted)
    if first < 0:
        return "missing", 0, 0
    return "normalised", places[first], places[cursor - 1] + 1


def _find_words(text: str, wanted: str, start: int) -> int:
    """Where whole words stand: `art` is not quoted from `party`. Scripts without spaces have no such ends."""
    at = text.find(wanted, start)
    while at >= 0 and wanted and _inside_word(text, at, at + len(wanted)):
        at = text.find(wanted, at + 1)
    return at


def _inside_word(text: str, start: int, end: int) -> bool:
    def joined(left: str, right: str) -> bool:
        return left.isalnum() and right.isalnum() and (left < "\u0900" and right < "\u0900")

    return (start > 0 and joined(text[start - 1], text[start])) or (
        end < len(text) and joined(text[end - 1], text[end])
    )


def _checked(words: str, at: int, passage: int, passages: Sequence[str]) -> Citation:
    if not 0 <= passage < len(passages):
        return Citation(words, at, passage, "no_passage")
    standing, start, end = find_quote(words, passages[passage])
    return Citation(words, at, passage, standing, start, end)


def _normalised(text: str) -> tuple[str, list[int]]:
    """The text for comparison, and for each of its characters the place in the original that it came from."""
    letters: list[str] = []
    places: list[int] = []
    at = 0
    while at < len(text):
        end = at + 1
        while end < len(text) and unicodedata.combining(text[end]):
            end += 1
        for letter in unicodedata.normalize("NFKC", text[at:end]).casefold().translate(_SAME):
            if letter.isspace() and (not letters or letters[-1] == " "):
                continue
            letters.append(" " if letter.isspace() else letter)
            places.append(at)
        at = end
    return "".join(letters), places
