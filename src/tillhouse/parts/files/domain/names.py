"""What a file may be called."""

import unicodedata

_LONGEST_NAME = 150


def tidy_name(name: str) -> str:
    """A name that can be shown and downloaded under: no path, no control or direction-changing characters."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(c for c in unicodedata.normalize("NFC", last) if unicodedata.category(c)[0] != "C").strip(". ")
    if len(kept) <= _LONGEST_NAME:
        return kept or "file"
    stem, dot, ending = kept.rpartition(".")
    return (
        (stem[: _LONGEST_NAME - len(ending) - 1] + dot + ending) if dot and len(ending) < 10 else kept[:_LONGEST_NAME]
    )
