"""Answers made of the material's own sentences: the words that fit a question best, with where they stand.

No model, no chance: the same question and material give the same quotes. Words are folded (case, accents); a rare word
counts for more than a common one (BM25's weights); where nothing fits well enough, the answer is that nothing does.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tillhouse.parts.ai.domain.chat import Quote

_SENTENCE = re.compile(r"[^\n.!?。！？।]*(?:\.(?=\S)[^\n.!?。！？।]*)*(?:[.!?。！？।]+[\"'”’)\]]*|\n|$)")
_WORD = re.compile(r"\d+(?:[.,:/-]\d+)*|[^\W\d_]+")
_LONGEST, _SHORTEST = 600, 3
_K, _B = 1.2, 0.75
# Of the question's weight in rare words, how much a sentence must hold before it is called an answer.
_ENOUGH = 0.34

# Words that say nothing of a subject, in the languages of the house that part words by spaces.
_EMPTY = (
    "a about an and any are as at be by can could did do does for from had has have how i if in is it its me my of on "
    "or our please should tell that the their there these they this those to us was we were what when where which who "
    "whom whose why will with would you your "
    "la va cua nhung cac mot co khong gi nao ai dau bao nhieu the cho voi trong tu den khi nay do ve duoc bi "
    "का की के को है हैं में से पर और क्या कौन कब कहाँ कितना कितने यह वह मेरा मेरी हो "
    "של את על מה מי איך מתי איפה כמה זה זו אני הוא היא הם לא כן עם או אם כי יש אין "
)


@dataclass(frozen=True, slots=True)
class _Sentence:
    number: int
    start: int
    end: int
    words: Counter[str]
    length: int


def best_quotes(question: str, texts: Sequence[str], most: int = 3) -> list[Quote]:
    """The sentences that answer a question, best first; none when nothing fits. `number` of a quote counts from 1."""
    wanted = set(_subject(question))
    sentences = list(_sentences(texts))
    if not wanted or not sentences:
        return []
    rarity = _rarity(wanted, sentences)
    total = sum(rarity.values())
    mean = sum(one.length for one in sentences) / len(sentences)
    scored = [(_score(one, rarity, mean), one) for one in sentences if _share(one, rarity) >= _ENOUGH * total]
    scored.sort(key=lambda pair: (-pair[0], pair[1].number, pair[1].start))
    if not scored:
        return []
    bar = scored[0][0] / 2  # what fits half as well as the best is another subject
    return [
        Quote(one.number, one.start, one.end, texts[one.number - 1][one.start : one.end])
        for score, one in scored[:most]
        if score >= bar
    ]


def fold(text: str) -> str:
    """Without case and accents, đ as d: `Phí` and `phi` are one word. Marks of Indic and Thai script stay."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    kept = (c for c in parts if not ("\u0300" <= c <= "\u036f"))
    return unicodedata.normalize("NFC", "".join(kept)).replace("đ", "d")


def words_of(text: str) -> list[str]:
    """The words of a text, folded. Script without spaces (Thai, Chinese) is taken in pairs of letters."""
    found = list[str]()
    for word in _WORD.findall(_joined_marks(fold(text))):
        if _has_no_spaces(word) and len(word) > 2:
            found += [word[i : i + 2] for i in range(len(word) - 1)]
        else:
            found.append(word)
    return found


def _joined_marks(text: str) -> str:
    """Vowel signs are marks, and `\\w` does not take them for letters: leave out those that part words in two."""
    return "".join(c for c in text if unicodedata.category(c) not in ("Mn", "Mc", "Cf"))


def _has_no_spaces(word: str) -> bool:
    return any("\u0e00" <= c <= "\u0eff" or "\u3040" <= c <= "\u30ff" or "\u4e00" <= c <= "\u9fff" for c in word)


_EMPTY_FOLDED = frozenset(word for empty in _EMPTY.split() for word in _WORD.findall(_joined_marks(fold(empty))))


def _subject(question: str) -> Iterator[str]:
    return (_stem(word) for word in words_of(question) if word not in _EMPTY_FOLDED)


def _stem(word: str) -> str:
    """English endings that change nothing of the subject: `fees` is `fee`, `payments` is `payment`."""
    if len(word) > 4 and word.isascii() and word.isalpha():
        for ending, instead in (("ies", "y"), ("sses", "ss"), ("es", "e"), ("s", "")):
            if word.endswith(ending) and not word.endswith(("ss", "us", "is")):
                return word.removesuffix(ending) + instead
    return word


def _sentences(texts: Sequence[str]) -> Iterator[_Sentence]:
    for number, text in enumerate(texts, 1):
        for found in _SENTENCE.finditer(text):
            start, end = _trimmed(text, *found.span())
            if end - start < _SHORTEST:
                continue
            words = Counter(_stem(word) for word in words_of(text[start:end]))
            if words:
                yield _Sentence(number, start, end, words, sum(words.values()))


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    end = min(end, start + _LONGEST)
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _rarity(wanted: set[str], sentences: Sequence[_Sentence]) -> dict[str, float]:
    """How much each word of the question tells. A word that stands nowhere still counts: it is not answered."""
    count = len(sentences)
    holding = {word: sum(word in one.words for one in sentences) for word in wanted}
    return {word: math.log(1 + (count - n + 0.5) / (n + 0.5)) for word, n in holding.items()}


def _share(one: _Sentence, rarity: dict[str, float]) -> float:
    return sum(weight for word, weight in rarity.items() if word in one.words)


def _score(one: _Sentence, rarity: dict[str, float], mean: float) -> float:
    norm = _K * (1 - _B + _B * one.length / mean)
    return sum(weight * one.words[word] * (_K + 1) / (one.words[word] + norm) for word, weight in rarity.items())
