"""Vectors of texts: each word falls, with a sign, into one of the places. Texts that share words are near."""

import hashlib
import math

from tillhouse.sandbox.model.reading import telling, words


def vector(text: str, dimensions: int) -> list[float]:
    """A vector of length one; the same for the same text, whatever else is asked."""
    found = [0.0] * dimensions
    for word in telling(text) or set(words(text)) or {text}:
        for part, weight in ((word, 1.0), (word[:4], 0.5)):  # words of one stem are near, too
            digest = hashlib.blake2b(part.encode(), digest_size=8).digest()
            place = int.from_bytes(digest[:4], "big") % dimensions
            found[place] += weight if digest[4] & 1 else -weight
    length = math.sqrt(sum(one * one for one in found))
    if not length:
        found[0] = length = 1.0
    return [one / length for one in found]
