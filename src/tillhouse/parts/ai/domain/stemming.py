"""English stems by Porter's second algorithm, as published at snowballstem.org/algorithms/english/stemmer.html.

Query and passage are stemmed by the same function in the same process, so that an index never meets another version.
"""

import re
from functools import lru_cache

_DOUBLES = ("bb", "dd", "ff", "gg", "mm", "nn", "pp", "rr", "tt")
_LI_ENDINGS = "cdeghkmnrt"
_EXCEPTIONS = {
    "skis": "ski", "skies": "sky", "idly": "idl", "gently": "gentl", "ugly": "ugli", "early": "earli", "only": "onli",
    "singly": "singl", "sky": "sky", "news": "news", "howe": "howe", "atlas": "atlas", "cosmos": "cosmos",
    "bias": "bias", "andes": "andes",
}  # fmt: skip
_AFTER_STEP_1A = frozenset({"inning", "outing", "canning", "herring", "earring", "proceed", "exceed", "succeed"})
_STEP_2 = (
    ("ization", "ize"), ("ational", "ate"), ("fulness", "ful"), ("ousness", "ous"), ("iveness", "ive"),
    ("tional", "tion"), ("biliti", "ble"), ("lessli", "less"), ("entli", "ent"), ("ation", "ate"), ("alism", "al"),
    ("aliti", "al"), ("ousli", "ous"), ("iviti", "ive"), ("fulli", "ful"), ("ogist", "og"), ("enci", "ence"),
    ("anci", "ance"), ("abli", "able"), ("izer", "ize"), ("ator", "ate"), ("alli", "al"), ("bli", "ble"),
)  # fmt: skip
_STEP_3 = (
    ("ational", "ate"), ("tional", "tion"), ("alize", "al"), ("icate", "ic"), ("iciti", "ic"), ("ical", "ic"),
    ("ful", ""), ("ness", ""),
)  # fmt: skip
_STEP_4 = ("ement", "ance", "ence", "able", "ible", "ment", "ant", "ent", "ism", "ate", "iti", "ous", "ive", "ize",
           "al", "er", "ic")  # fmt: skip

_REGION = re.compile(r"[aeiouy][^aeiouy]")
_SPECIAL_R1 = re.compile(r"^(gener|commun|arsen)")
_HAS_VOWEL = re.compile(r"[aeiouy]")
_SHORT_END = re.compile(r"(^[aeiouy][^aeiouy]|[^aeiouy][aeiouy][^aeiouywxY])$")


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """The stem of a lower-case word of ASCII letters (and apostrophes)."""
    word = word.removeprefix("'")
    if len(word) <= 2:
        return word
    if word in _EXCEPTIONS:
        return _EXCEPTIONS[word]
    word = _mark_y(word)
    r1, r2 = _regions(word)
    word = _step_1a(_step_0(word))
    if word in _AFTER_STEP_1A:
        return word
    word = _step_1c(_step_1b(word, r1))
    word = _step_2(word, r1)
    word = _step_3(word, r1, r2)
    word = _step_5(_step_4(word, r2), r1, r2)
    return word.replace("Y", "y")


def _mark_y(word: str) -> str:
    """A y that sounds like a consonant becomes Y."""
    marked = "Y" + word[1:] if word.startswith("y") else word
    return re.sub(r"([aeiouy])y", r"\1Y", marked)


def _regions(word: str) -> tuple[int, int]:
    special = _SPECIAL_R1.match(word)
    r1 = special.end() if special else _after(word, 0)
    return r1, _after(word, r1)


def _after(word: str, start: int) -> int:
    found = _REGION.search(word.replace("Y", "Z"), start)
    return found.end() if found else len(word)


def _step_0(word: str) -> str:
    for ending in ("'s'", "'s", "'"):
        if word.endswith(ending):
            return word[: -len(ending)]
    return word


def _step_1a(word: str) -> str:
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith(("ied", "ies")):
        return word[:-2] if len(word) > 4 else word[:-1]
    if word.endswith(("us", "ss")):
        return word
    if word.endswith("s") and _HAS_VOWEL.search(word[:-2]):
        return word[:-1]
    return word


def _step_1b(word: str, r1: int) -> str:
    for ending in ("eedly", "eed"):
        if word.endswith(ending):
            return word[: -len(ending)] + "ee" if len(word) - len(ending) >= r1 else word
    for ending in ("ingly", "edly", "ing", "ed"):
        if word.endswith(ending):
            stem_ = word[: -len(ending)]
            return _after_ing(stem_, ending, r1) if _HAS_VOWEL.search(stem_) else word
    return word


def _after_ing(word: str, ending: str, r1: int) -> str:
    if ending == "ing" and re.fullmatch(r"[^aeiouy]y", word):  # dying, lying, tying
        return word[:-1] + "ie"
    if word.endswith(("at", "bl", "iz")):
        return word + "e"
    if word.endswith(_DOUBLES):
        return word if re.fullmatch(r"[aeo]..", word) else word[:-1]
    return word + "e" if len(word) <= r1 and _SHORT_END.search(word) else word


def _step_1c(word: str) -> str:
    if len(word) > 2 and word[-1] in "yY" and word[-2] not in "aeiouy":
        return word[:-1] + "i"
    return word


def _step_2(word: str, r1: int) -> str:
    for ending, becomes in _STEP_2:
        if word.endswith(ending):
            return word[: -len(ending)] + becomes if len(word) - len(ending) >= r1 else word
    if word.endswith("ogi"):
        return word[:-1] if len(word) - 3 >= r1 and word[-4:-3] == "l" else word
    if word.endswith("li"):
        return word[:-2] if len(word) - 2 >= r1 and word[-3:-2] in tuple(_LI_ENDINGS) else word
    return word


def _step_3(word: str, r1: int, r2: int) -> str:
    for ending, becomes in _STEP_3:
        if word.endswith(ending):
            return word[: -len(ending)] + becomes if len(word) - len(ending) >= r1 else word
    if word.endswith("ative") and len(word) - 5 >= r2:
        return word[:-5]
    return word


def _step_4(word: str, r2: int) -> str:
    for ending in _STEP_4:
        if word.endswith(ending):
            return word[: -len(ending)] if len(word) - len(ending) >= r2 else word
    if word.endswith("ion") and len(word) - 3 >= r2 and word[-4:-3] in ("s", "t"):
        return word[:-3]
    return word


def _step_5(word: str, r1: int, r2: int) -> str:
    if word.endswith("e"):
        at = len(word) - 1
        if at >= r2 or (at >= r1 and not _SHORT_END.search(word[:-1])):
            return word[:-1]
        return word
    if word.endswith("ll") and len(word) - 1 >= r2:
        return word[:-1]
    return word
