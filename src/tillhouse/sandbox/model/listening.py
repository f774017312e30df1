"""What is said in a sound: decoded by FFmpeg's libraries, then heard by PocketSphinx, where both have a wheel.

With hints the listener knows those words and numbers alone, and is good at them; without, it takes dictation, badly.
"""

import io
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

RATE = 16_000
_FRAME = 100  # frames a second, as the listener counts
_NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand point and a"
)
_lock = threading.Lock()  # a listener hears one sound at a time


class Unreadable(Exception):
    """It is not a sound, or none that can be decoded."""


@dataclass(frozen=True)
class Heard:
    """One word, from and to when, in seconds."""

    word: str
    start: float
    end: float


def decoded(content: bytes) -> bytes:
    """16-bit mono samples at 16 kHz. Raises `Unreadable`."""
    av = import_module("av")
    try:
        with av.open(io.BytesIO(content)) as container:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
            return b"".join(_samples(container, resampler))
    except (av.error.FFmpegError, IndexError, ValueError):
        raise Unreadable from None


def heard(samples: bytes, hints: str = "") -> list[Heard]:
    """The words of a sound. Silence has none; without PocketSphinx each stretch of sound is called `sound`."""
    spans = _loud(samples)
    if not spans:
        return []
    if not find_spec("pocketsphinx"):
        return [Heard("sound", start, end) for start, end in spans]
    known = tuple(sorted({word.lower() for word in re.findall(r"[A-Za-z']+", hints)}))
    with _lock:
        decoder = _listener(known)
        decoder.start_utt()
        decoder.process_raw(samples, full_utt=True)
        decoder.end_utt()
        found = decoder.seg() or ()
        return [
            Heard(re.sub(r"\(\d+\)", "", one.word), one.start_frame / _FRAME, (one.end_frame + 1) / _FRAME)
            for one in found
            if not one.word.startswith(("<", "["))
        ]


@cache
def _listener(known: tuple[str, ...]) -> Any:
    sphinx = import_module("pocketsphinx")
    if not known:
        return sphinx.Decoder(samprate=RATE, loglevel="FATAL")
    decoder = sphinx.Decoder(samprate=RATE, loglevel="FATAL", lm=None)
    names = [word for word in known if decoder.lookup_word(word)]
    options = " | ".join([*_NUMBERS.split(), *(name for name in names if name not in _NUMBERS.split())])
    decoder.add_jsgf_string("hints", f"#JSGF V1.0; grammar hints; public <said> = ({options})+;")
    decoder.activate_search("hints")
    return decoder


def _samples(container: Any, resampler: Any) -> Iterator[bytes]:
    for frame in (*container.decode(audio=0), None):
        for part in resampler.resample(frame):
            yield bytes(part.planes[0])[: part.samples * 2]


def _loud(samples: bytes) -> list[tuple[float, float]]:
    """Stretches of 30 ms frames that are well above silence, joined over short pauses, in seconds."""
    size = RATE * 2 * 30 // 1000
    numbers = memoryview(samples[: len(samples) // 2 * 2]).cast("h")
    spans: list[tuple[float, float]] = []
    for index in range(len(samples) // size):
        frame = numbers[index * size // 2 : (index + 1) * size // 2]
        if sum(abs(one) for one in frame) / len(frame) < 200:
            continue
        start, end = index * 0.03, (index + 1) * 0.03
        if spans and start - spans[-1][1] < 0.4:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return [one for one in spans if one[1] - one[0] >= 0.2]
