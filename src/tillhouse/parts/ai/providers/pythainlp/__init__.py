"""Words of Thai, by the longest matches in a dictionary (newmm of PyThaiNLP, which carries the dictionary).

Loaded by the first Thai text that a process meets: 80 MB and a second, that others do without.
"""

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module

from tillhouse.kernel.house import House
from tillhouse.parts.ai.ports.words import WordBreaker


def install(_house: House) -> Sequence[object]:
    """The word breaker of Thai."""
    return (WordBreaker("thai", split),)


def split(text: str) -> list[str]:
    """The words of a run of Thai letters."""
    return _tokenizer()(text, engine="newmm", keep_whitespace=False)


@cache
def _tokenizer() -> Callable[..., list[str]]:
    found: Callable[..., list[str]] = import_module("pythainlp.tokenize").word_tokenize
    return found
