"""Where somebody speaks: WebRTC's detector on frames of 30 ms, and spans of those."""

from importlib import import_module

from tillhouse.parts.ai.domain.loudness import joined
from tillhouse.parts.ai.domain.speech import RATE, Span

_SECONDS = 0.03
_AROUND = 5  # frames: a voice lasts, a click does not
_OF_THEM = 4


class SphinxGate:
    """PocketSphinx's `Vad`, at its strictest."""

    def spoken(self, pcm: bytes) -> tuple[Span, ...]:
        """Where somebody speaks. See `ports.sound`."""
        sphinx = import_module("pocketsphinx")
        detector = sphinx.Vad(mode=sphinx.Vad.STRICT, sample_rate=RATE, frame_length=_SECONDS)
        size = detector.frame_bytes
        voiced = [bool(detector.is_speech(pcm[at : at + size])) for at in range(0, len(pcm) - size + 1, size)]
        sums = [sum(voiced[max(0, i - _AROUND // 2) : i + _AROUND // 2 + 1]) for i in range(len(voiced))]
        return joined([i for i, count in enumerate(sums) if count >= _OF_THEM], _SECONDS)
