"""Hearing against a grammar. One sound at a time: the library keeps what it has heard in the decoder."""

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from tillhouse.parts.ai.domain.failures import ModelFailure
from tillhouse.parts.ai.domain.grammar import TASKS, jsgf, needed_words, words_of
from tillhouse.parts.ai.domain.pronouncing import phones
from tillhouse.parts.ai.domain.speech import RATE, SILENCE, Sound, Span, SpeechHints, Transcript, Word

_FRAMES = 100  # a second, as the decoder counts
_AROUND = 0.25  # seconds of sound before and after a span
# Narrower than the library's own: eight times as fast on our grammar, with the same words.
_BEAMS = {"beam": 1e-40, "wbeam": 1e-20, "pbeam": 1e-40}
# Of the time in which somebody spoke, how much the words must cover: below, other words were said than the grammar's.
_COVERED = 0.55


class SphinxListener:
    """English amounts, units and the caller's names; anything else is not understood, and that is said."""

    name = "sphinx"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._decoder: Any = None
        self._taught: set[str] = set()

    async def transcribe(self, model: str, sound: Sound, hints: SpeechHints, seconds: float) -> Transcript:
        """The words of a sound. See `ports.speech`. Refuses other languages than English, and unknown tasks."""
        del model, seconds  # there is one; the caller's deadline cancels, and a span later the thread notices
        if (hints.language or "en").partition("-")[0] != "en":
            raise ModelFailure("refused", "english_only")
        if hints.task not in TASKS:
            raise ModelFailure("refused", "unknown_task")
        stop = threading.Event()
        try:
            return await asyncio.to_thread(self._heard, sound, hints, stop.is_set)
        finally:
            stop.set()

    def _heard(self, sound: Sound, hints: SpeechHints, stopped: Callable[[], bool]) -> Transcript:
        with self._lock:
            if stopped():
                return SILENCE
            decoder = self._ready(hints)
            words = [word for span in sound.spoken if not stopped() for word in _listen(decoder, sound.pcm, span)]
        spoken = sum(one.end - one.start for one in sound.spoken)
        if sum(one.end - one.start for one in words) < _COVERED * spoken:
            words = []
        return Transcript(text=" ".join(one.text for one in words), language="en", words=tuple(words), constrained=True)

    def _ready(self, hints: SpeechHints) -> Any:
        """The decoder with the grammar of this task; loaded once, which takes a second."""
        if self._decoder is None:
            sphinx = import_module("pocketsphinx")
            self._decoder = sphinx.Decoder(samprate=RATE, loglevel="FATAL", lm=None, **_BEAMS)
        for word in sorted(needed_words(hints.task, hints.phrases) - self._taught):
            if not self._decoder.lookup_word(word) and (sounds := phones(word)):
                self._decoder.add_word(word, sounds, True)
            self._taught.add(word)
        sayable = [name for name in hints.phrases if words_of(name) and all(map(phones, words_of(name)))]
        self._decoder.add_jsgf_string("task", jsgf(hints.task, sayable))
        self._decoder.activate_search("task")
        return self._decoder


def _listen(decoder: Any, pcm: bytes, span: Span) -> Iterator[Word]:
    start = max(0.0, span.start - _AROUND)
    first = int(start * RATE) * 2
    last = int((span.end + _AROUND) * RATE) * 2
    decoder.start_utt()
    decoder.process_raw(pcm[first:last], full_utt=True)
    decoder.end_utt()
    for one in decoder.seg() or ():
        if one.word.startswith(("<", "[", "(")):
            continue
        text = re.sub(r"\(\d+\)$", "", one.word)
        began, ended = start + one.start_frame / _FRAMES, start + (one.end_frame + 1) / _FRAMES
        yield Word(text, round(began, 2), round(ended, 2), min(1.0, round(one.prob, 3)))
