"""The terms of a text, the same for passage and question: what lexical search compares.

    English      Porter's stems                       Thai          words of a dictionary (given by the caller)
    Vietnamese   syllables with and without accents,  Han, kana     pairs of characters, and each alone
                 and pairs of syllables               Hindi         words without nukta, light stems
    Hebrew       words without points, and without a joined prefix letter

Numbers lose their separators and are written in ASCII digits, so that 3,914.25 is found however it is grouped.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from tillhouse.parts.ai.domain.stemming import stem

SplitThai = Callable[[str], Sequence[str]]

LONGEST_TERM = 64

_MARKS = (
    "\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0970-\u0dff"
    "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"
)
_HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_KANA = "\u3041-\u309f\u30a1-\u30ff\uac00-\ud7a3"  # and Hangul, whose particles are written to the word
_THAI = "\u0e01-\u0e4e"
_TOKEN = re.compile(
    rf"(?P<cjk>[{_HAN}{_KANA}]+)"
    rf"|(?P<thai>[{_THAI}]+)"
    r"|(?P<number>\d+(?:[.,٫٬]\d+)*(?![^\W\d_]))"
    rf"|(?P<word>(?:(?![{_HAN}{_KANA}{_THAI}])[^\W_{_HAN}{_KANA}{_THAI}]|[{_MARKS}])"
    rf"(?:[^\W_{_HAN}{_KANA}{_THAI}]|[{_MARKS}\u200c\u200d'’]|(?<=[א-ת])[\"״](?=[א-ת]))*)"
)
_PLAIN_WORD = re.compile(r"(?<![\w'’])[^\W\d_]+(?!\w)")
_SARA_AM = re.compile("\u0e4d([\u0e48-\u0e4b]?)\u0e32")  # NFKC takes it apart; dictionaries have it whole
_ONE_HAN = re.compile(f"[{_HAN}]")
_DEVANAGARI = re.compile("[\u0900-\u097f]")
_HEBREW = re.compile("[\u0590-\u05ff]")
_HEBREW_POINTS = re.compile("[\u0591-\u05bd\u05bf-\u05c7\"״'’׳]")
_HEBREW_PREFIXES = "ובהלמשכ"
_ARABIC_POINTS = re.compile("[\u0610-\u061a\u064b-\u065f\u0670\u0640]")
_NOT_DECOMPOSED = str.maketrans({"đ": "d", "ø": "o", "ł": "l", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"})
_VIETNAMESE = re.compile(
    r"(?:ngh|gh|kh|nh|ng|ph|qu|th|tr|ch|gi|[bcdghklmnpqrstvx])?(?:[aeiouy]{1,3})(?:ch|nh|ng|[cmnptiouy])?"
)
_VIETNAMESE_LETTER = re.compile(
    "[đơưăâêô\u1ea0-\u1ef9]|[aeiouy][\u0300\u0301\u0303\u0309\u0323]", re.IGNORECASE
)  # after NFC, which composes most

# Words that say nothing of what an English question is about. They are left out of a question, never of a passage.
_ENGLISH_STOP = frozenset(
    [
        "a",
        "about",
        "am",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "been",
        "being",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "doing",
        "for",
        "from",
        "had",
        "has",
        "have",
        "having",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "me",
        "my",
        "of",
        "on",
        "or",
        "our",
        "shall",
        "should",
        "so",
        "some",
        "such",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "to",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "while",
        "who",
        "whom",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
    ]
)

# Endings of Hindi by the light stemmer of Ramanathan and Rao (2003), the longest first.
_HINDI_ENDINGS = tuple(
    tuple(endings.split())
    for endings in (
        "ाएंगी ाएंगे ाऊंगी ाऊंगा ाइयां ाइयों",
        "ाएगी ाएगा ाओगी ाओगे एंगी ेंगी एंगे ेंगे ूंगी ूंगा ातीं नाओं नाएं ताओं ताएं ियां ियों",
        "ाकर ाइए ाईं ाया ेगी ेगा ोगी ोगे ाने ाना ाते ाती ाता तीं ाओं ाएं ुओं ुएं ुआं",
        "कर ाओ िए ाई ाए ने नी ना ते ीं ती ता ां ों ें",
        "ो े ू ु ी ि ा",
    )
)


def terms(text: str, split_thai: SplitThai) -> list[str]:
    """The terms of a text in its order, repeated as they are; those that stand for one word follow each other."""
    normal = _normal(text)
    syllables = bool(_VIETNAMESE_LETTER.search(normal))
    return [term[:LONGEST_TERM] for term in _all(normal, split_thai, in_pairs=syllables)]


def question_terms(question: str, split_thai: SplitThai) -> list[str]:
    """The different terms of a question, without words that say nothing when others remain.

    A question in plain ASCII may be Vietnamese typed without its accents: where every word could be a syllable, pairs
    of syllables are asked for too, and no English word is left out.
    """
    normal = _normal(question)
    words = _PLAIN_WORD.findall(normal)
    bare = len(words) > 1 and all(_is_syllable(fold(word)) for word in words)
    pairs = bare or bool(_VIETNAMESE_LETTER.search(normal))
    if not pairs:
        kept = [word for word in words if word not in _ENGLISH_STOP]
        if kept and len(kept) < len(words):
            normal = _PLAIN_WORD.sub(lambda word: "" if word[0] in _ENGLISH_STOP else word[0], normal)
    found = [term[:LONGEST_TERM] for term in _all(normal, split_thai, in_pairs=pairs)]
    return list(dict.fromkeys(found))


def fold(word: str) -> str:
    """A Latin, Greek or Cyrillic word without its accents."""
    if word.isascii():
        return word
    decomposed = unicodedata.normalize("NFD", word)
    return "".join(c for c in decomposed if not "\u0300" <= c <= "\u036f").translate(_NOT_DECOMPOSED)


def weight(text: str) -> float:
    """How much a text says, in characters of Latin script: one of Chinese or Japanese says as much as three."""
    return len(text) + 2.0 * sum(1 for _ in re.finditer(f"[{_HAN}{_KANA}]", text))


def _normal(text: str) -> str:
    return _SARA_AM.sub("\\1\u0e33", unicodedata.normalize("NFKC", text).casefold())


def _all(normal: str, split_thai: SplitThai, *, in_pairs: bool) -> Iterator[str]:
    before = ""  # the syllable before this one, when nothing but a space is between
    end = -1
    for found in _TOKEN.finditer(normal):
        kind, token = found.lastgroup, found[0]
        adjacent = normal[end : found.start()].isspace() if end >= 0 else False
        end = found.end()
        if kind == "word":
            folded = fold(token)
            yield from _word(token, folded)
            syllable = folded if in_pairs and _is_syllable(folded) else ""
            if syllable and before and adjacent:
                yield f"{before}_{syllable}"
            before = syllable
            continue
        before = ""
        if kind == "cjk":
            yield from _cjk(token)
        elif kind == "thai":
            yield from (word for word in split_thai(token) if word.strip())
        else:
            yield _digits(token)


def _word(token: str, folded: str) -> Iterator[str]:
    if _DEVANAGARI.search(token):
        yield _hindi(token)
    elif _HEBREW.search(token):
        yield from _hebrew(token)
    elif folded.isascii():
        yield stem(folded.replace("’", "'")) or folded
        if folded != token:
            yield f"={token}"  # a question with its accents finds the word with the same ones first
    else:
        yield _ARABIC_POINTS.sub("", folded)


def _cjk(run: str) -> Iterator[str]:
    if len(run) == 1:
        yield run
        return
    for at, character in enumerate(run):
        if _ONE_HAN.match(character):
            yield character
        if at + 1 < len(run):
            yield run[at : at + 2]


def _hebrew(word: str) -> Iterator[str]:
    plain = _HEBREW_POINTS.sub("", word)
    yield plain
    while len(plain) > 3 and plain[0] in _HEBREW_PREFIXES:
        plain = plain[1:]
        yield plain


@lru_cache(maxsize=16_384)
def _hindi(word: str) -> str:
    decomposed = unicodedata.normalize("NFD", word).replace("\u093c", "").replace("\u0901", "\u0902")
    plain = "".join(_digits(c) if c.isdigit() else c for c in decomposed)
    for endings in _HINDI_ENDINGS:
        for ending in endings:
            if plain.endswith(ending) and len(plain) > len(ending) + 1:
                return plain[: -len(ending)]
    return plain


def _digits(token: str) -> str:
    return "".join(str(unicodedata.decimal(c)) for c in token if c.isdecimal())


@lru_cache(maxsize=16_384)
def _is_syllable(folded: str) -> bool:
    return bool(_VIETNAMESE.fullmatch(folded))
