"""faster-whisper's `WhisperModel`, one sound at a time. Segments come as they are decoded: it can be stopped."""

import asyncio
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

from tillhouse.parts.ai.domain.failures import ModelFailure
from tillhouse.parts.ai.domain.speech import SILENCE, Sound, SpeechHints, Transcript, Word
from tillhouse.parts.ai.providers.whisper.settings import WhisperSettings

LIBRARY = "faster_whisper"


class WhisperListener:
    """Any language that the weights know."""

    name = "whisper"

    def __init__(self, settings: WhisperSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._model: Any = None

    async def transcribe(self, model: str, sound: Sound, hints: SpeechHints, seconds: float) -> Transcript:
        """The words of a sound. See `ports.speech`."""
        del model, seconds  # one folder is one model; the caller's deadline cancels
        stop = threading.Event()
        try:
            return await asyncio.to_thread(self._heard, sound, hints, stop.is_set)
        finally:
            stop.set()

    def _heard(self, sound: Sound, hints: SpeechHints, stopped: Callable[[], bool]) -> Transcript:
        with self._lock:
            if stopped():
                return SILENCE
            segments, info = self._loaded().transcribe(
                _floats(sound.pcm),
                language=(hints.language or "").partition("-")[0] or None,
                initial_prompt=", ".join(hints.phrases) or None,
                word_timestamps=True,
                condition_on_previous_text=False,  # what was misheard once must not be heard again and again
                vad_filter=False,  # the house's own gate has looked already
            )
            words: list[Word] = []
            texts: list[str] = []
            for segment in segments:
                if stopped():
                    return SILENCE
                texts.append(segment.text.strip())
                words += [  # their times and chances are numpy's
                    Word(one.word.strip(), float(one.start), float(one.end), float(one.probability))
                    for one in segment.words or ()
                ]
        return Transcript(text=" ".join(filter(None, texts)), language=info.language, words=tuple(words))

    def _loaded(self) -> Any:
        if self._model is None:
            settings = self._settings
            try:
                self._model = import_module(LIBRARY).WhisperModel(
                    settings.folder,
                    device=settings.device,
                    compute_type=settings.compute_type,
                    local_files_only=True,
                )
            except (OSError, ValueError, RuntimeError):
                raise ModelFailure("refused", "weights") from None
        return self._model


def _floats(pcm: bytes) -> Any:
    numpy = import_module("numpy")
    return numpy.frombuffer(pcm, dtype="<i2").astype("float32") / 32768
