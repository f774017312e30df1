"""Which text can be printed. What people type may hold anything; a paper shows letters and nothing that steers.

A paper is PDF/A: a letter that no font has, or a control character, would make it invalid. So what cannot be printed is
taken out or replaced, never refused: a receipt has to come into being whatever the payer is called.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

Json: TypeAlias = "str | int | bool | Sequence[Json] | Mapping[str, Json] | None"

REPLACEMENT = "\ufffd"
_JOINERS = "\u200c\u200d"  # Devanagari and others are spelt with them
# Everything that only steers: reading direction (a payer named by RLO would turn a line around), invisible marks.
_STEERING = frozenset(
    [
        "\u061c",
        *map(chr, range(0x200B, 0x2010)),
        *map(chr, range(0x202A, 0x202F)),
        *map(chr, range(0x2060, 0x2070)),
        "\ufeff",
        *map(chr, range(0xFE00, 0xFE10)),
    ]
) - frozenset(_JOINERS)
_MANY_BREAKS = re.compile(r"\n{3,}")
_BREAKS = re.compile(r"\r\n?|[\v\f\x85\u2028\u2029]")
# Longer words than these would leave the paper: numbers, links and nonsense are. Thai is written without spaces and
# broken by Typst's dictionary, which this must not disturb.
_WORD = re.compile(r"[^\s\u0e00-\u0e7f]{31,}")
_PIECE = 15
_ZERO_WIDTH_SPACE = "\u200b"
_FIRST_STRONG, _END = "\u2068", "\u2069"  # Unicode's isolates: the first letter with a direction decides
LONGEST = 10_000  # characters of one field: more than a page; the rest is left out


def printable(text: str, has_glyph: Callable[[str], bool]) -> str:
    """`text` as a paper can show it.

    Composed (NFC), line breaks as `\\n`, without characters that steer; `REPLACEMENT` for what no font has; long words
    may be broken. `has_glyph` says of one character whether a font of the house has it.
    """
    text = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    text = _BREAKS.sub("\n", unicodedata.normalize("NFC", text)).replace("\t", " ")
    shown = "".join(_character(one, has_glyph) for one in text if one not in _STEERING)
    if not shown.strip(" \n" + _JOINERS):
        return ""
    return _WORD.sub(_breakable, _MANY_BREAKS.sub("\n\n", shown))


def isolated(text: str, *, right_to_left: bool) -> str:
    """`text` read by its own direction, whatever it stands in: the house number of `12 MG Road` stays in front of it.

    `right_to_left` is the paper's direction; a text of one direction in a paper of the same needs nothing.
    """
    if not text or not (right_to_left or any(unicodedata.bidirectional(one) in ("R", "AL") for one in text)):
        return text
    return "\n".join(f"{_FIRST_STRONG}{line}{_END}" if line else "" for line in text.split("\n"))


def each_text(value: Json, change: Callable[[str], str]) -> Json:
    """`value` with every text in it, however deep, changed; the names of fields stay as they are."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {name: each_text(one, change) for name, one in value.items()}
    if isinstance(value, Sequence):
        return [each_text(one, change) for one in value]
    return value


def short(text: str, longest: int) -> str:
    """`text` on one line and cut to `longest` characters, for places that have room for no more."""
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _character(one: str, has_glyph: Callable[[str], bool]) -> str:
    if one == "\n" or one in _JOINERS:
        return one
    if unicodedata.category(one) in ("Cc", "Cs", "Cn", "Co"):  # controls, halves, unassigned, private
        return ""
    return one if has_glyph(one) else REPLACEMENT


def _breakable(word: re.Match[str]) -> str:
    """Room to break every few characters, never between a letter and its marks."""
    made, since = [], 0
    for one in word[0]:
        if since >= _PIECE and not unicodedata.combining(one) and unicodedata.category(one)[0] in "LNPS":
            made.append(_ZERO_WIDTH_SPACE)
            since = 0
        made.append(one)
        since += 1
    return "".join(made)
