"""What a prompt holds: the question, the documents within it, and the words of both."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_DOCUMENT = re.compile(
    r"<(?P<tag>document|doc|source|passage)\b(?P<attributes>[^>]*)>(?P<text>.*?)</(?P=tag)\s*>",
    re.DOTALL | re.IGNORECASE,
)
_NUMBERED = re.compile(r"^\[(?P<id>\d{1,3})\][ \t]*(?P<text>.+?)(?=^\[\d{1,3}\]|\n\n|\Z)", re.DOTALL | re.MULTILINE)
_ID = re.compile(r"\b(?:id|index|number|n)\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_SENTENCE = re.compile(r"[^.!?\n。।]+(?:\.(?=\d)[^.!?\n。।]+)*[.!?。।]?")
_DULL = frozenset(
    {"the", "a", "an", "is", "are", "was", "of", "to", "in", "on", "for", "and", "or", "what", "who", "how", "when",
     "which", "does", "do", "did", "it", "my", "your", "i", "you", "me", "please", "much", "many", "at", "by", "with",
     "this", "that", "be", "will", "can", "la", "gi", "bao", "nhieu"}
)  # fmt: skip


@dataclass(frozen=True)
class Document:
    """A piece of context, by the name that the prompt gives it."""

    id: str
    text: str


@dataclass(frozen=True)
class Prompt:
    """What a conversation comes to: what is asked last, and every document that was shown."""

    question: str
    documents: tuple[Document, ...]
    whole: str


def read_prompt(system: str, said: Sequence[str]) -> Prompt:
    """Read the texts of a conversation; `said` is what the user said, the last of it being the question."""
    everything = "\n\n".join([system, *said])
    documents = tuple(_documents(everything))
    last = said[-1] if said else ""
    question = _NUMBERED.sub("", _DOCUMENT.sub("", last)).strip() if documents else last.strip()
    return Prompt(question, documents, everything)


def words(text: str) -> list[str]:
    """The words of a text, in small letters."""
    return [word.casefold() for word in _WORD.findall(text)]


def telling(text: str) -> set[str]:
    """The words of a text that tell what it is about; endings of plurals are dropped."""
    return {_singular(word) for word in words(text)} - _DULL


def sentences(text: str) -> list[str]:
    """The sentences of a text."""
    return [found.strip() for found in _SENTENCE.findall(text) if found.strip()]


def best_sentences(prompt: Prompt, most: int = 2) -> list[tuple[Document, str]]:
    """The sentences of the documents that have most of the question's words, rare ones above all; none may fit."""
    asked = telling(prompt.question)
    pool = [(document, one, telling(one)) for document in prompt.documents for one in sentences(document.text)]
    holding = Counter(word for _, _, found in pool for word in found)
    weighed = [
        (sum(math.log(1 + len(pool) / holding[word]) for word in asked & found), document, one)
        for document, one, found in pool
    ]
    fitting = sorted((row for row in weighed if row[0] > 0), key=lambda row: -row[0])
    return [(document, one) for weight, document, one in fitting[:most] if weight >= 0.6 * fitting[0][0]]


def _documents(text: str) -> list[Document]:
    found = list[Document]()
    for match in _DOCUMENT.finditer(text):
        named = _ID.search(match["attributes"])
        found.append(Document(named[1] if named else str(len(found) + 1), match["text"].strip()))
    if not found:
        found = [Document(match["id"], match["text"].strip()) for match in _NUMBERED.finditer(text)]
    return found


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
