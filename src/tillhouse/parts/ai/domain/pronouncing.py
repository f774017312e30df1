"""How an unknown name may sound, letter by letter, in the phones of the CMU dictionary. Rough, and better than not
hearing the name at all: `Nguyen` and `Rao` are in no dictionary."""

_LONGEST = 4
_SOUNDS: dict[str, str] = {
    "tion": "SH AH N", "ough": "OW", "eigh": "EY", "augh": "AO",
    "igh": "AY", "sch": "SH", "tch": "CH", "dge": "JH", "ng": "NG", "ngh": "NG",
    "th": "TH", "sh": "SH", "ch": "CH", "ph": "F", "wh": "W", "ck": "K", "gh": "G", "kh": "K", "bh": "B", "dh": "D",
    "jh": "JH", "qu": "K W", "wr": "R", "kn": "N", "nh": "N Y", "tr": "T R", "ee": "IY", "ea": "IY", "oo": "UW",
    "ai": "EY", "ay": "EY", "ao": "AW", "au": "AO", "aw": "AO", "ow": "OW", "ou": "AW", "oi": "OY", "oy": "OY",
    "ei": "EY", "ey": "IY", "ie": "IY", "uy": "UW IY", "ya": "Y AA", "oa": "OW", "ue": "UW", "er": "ER", "ir": "ER",
    "ur": "ER", "ar": "AA R", "or": "AO R",
    "a": "AH", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH", "j": "JH", "k": "K",
    "l": "L", "m": "M", "n": "N", "o": "OW", "p": "P", "q": "K", "r": "R", "s": "S", "t": "T", "u": "UH", "v": "V",
    "w": "W", "x": "K S", "y": "IY", "z": "Z",
}  # fmt: skip
_SOFT = frozenset("eiy")


def phones(word: str) -> str:
    """The phones of a word of ASCII letters, parted by spaces; empty for a word without letters."""
    found: list[str] = []
    letters = "".join(c for c in word.casefold() if c.isascii() and c.isalpha())
    if len(letters) > 3 and letters.endswith("e") and letters[-2] not in "aeiouy":
        letters = letters[:-1]  # a last e is silent
    place = 0
    while place < len(letters):
        if place and letters[place] == letters[place - 1] and letters[place] not in "eo":
            place += 1  # a doubled letter sounds once
            continue
        size = next(
            n for n in range(min(_LONGEST, len(letters) - place), 0, -1) if letters[place : place + n] in _SOUNDS
        )
        piece = letters[place : place + size]
        soft = piece == "c" and letters[place + 1 : place + 2] in _SOFT
        found.append("S" if soft else _SOUNDS[piece])
        place += size
    if found and letters[-1] == "a":
        found[-1] = "AA"
    return " ".join(found)
