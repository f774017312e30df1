"""Whose an account is: the name that a bank tells against the name that we know.

Banks write in capitals, shorten to initials, add titles and change the order. None of that is another person.
"""

import re
import unicodedata
from enum import StrEnum

_TITLES = frozenset(
    {
        *("mr", "mrs", "ms", "miss", "mx", "master", "dr", "prof", "late"),
        *("shri", "sri", "smt", "km", "kumari", "kum", "श्री", "श्रीमती", "कुमारी"),
        *("นาย", "นาง", "นางสาว", "คุณ"),
    }
)
_MARKS = re.compile("[\u0300-\u036f]")  # accents of Latin letters; the vowel signs of Indic and Thai are letters
_SPLIT = re.compile(r"[\s.,'’`/_()&-]+")


class NameMatch(StrEnum):
    """How two names agree. `unknown`: the bank did not tell one."""

    MATCH = "match"
    PARTIAL = "partial"
    MISMATCH = "mismatch"
    UNKNOWN = "unknown"


def match_names(registered: str | None, ours: str) -> NameMatch:
    """Compare the name a bank registered with the one we know of the person.

    `match`: written as one they are the same, or every word of the shorter one, two or more of them, is in the longer
    one, an initial standing for a word. `partial`: one whole word agrees. Anything else is somebody else.
    """
    if registered is None or not registered.strip():
        return NameMatch.UNKNOWN
    theirs, known = _words(registered), _words(ours)
    if theirs and _same(theirs, known):
        return NameMatch.MATCH
    fewer, more = sorted((theirs, known), key=len)
    whole = set(fewer) & {word for word in more if len(word) > 1}
    if not whole:
        return NameMatch.MISMATCH
    return NameMatch.MATCH if len(fewer) > 1 and _all_found(fewer, more) else NameMatch.PARTIAL


def masked_name(name: str) -> str:
    """Enough to recognise oneself by: `ASHA K…`."""
    first, *others = name.split() or [""]
    return f"{first} {others[-1][0]}…" if others else f"{first[:2]}…"


def _same(theirs: list[str], known: list[str]) -> bool:
    """The same letters in the same order of words, or the same words in another."""
    return "".join(theirs) == "".join(known) or sorted(theirs) == sorted(known)


def _all_found(fewer: list[str], more: list[str]) -> bool:
    """Each word of `fewer` has one of its own in `more`: whole words are given away before initials."""
    left = list(more)
    for word in sorted(fewer, key=len, reverse=True):
        found = next((other for other in left if other == word), None) or next(
            (other for other in left if 1 in (len(word), len(other)) and word[0] == other[0]), None
        )
        if found is None:
            return False
        left.remove(found)
    return True


def _words(name: str) -> list[str]:
    plain = unicodedata.normalize("NFC", _MARKS.sub("", unicodedata.normalize("NFKD", name.casefold())))
    return [word for word in _SPLIT.split(plain) if word and word not in _TITLES]
