"""Sound and words. A sound is 16-bit mono PCM at 16 kHz, decoded and checked, before anyone listens to it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

RATE = 16_000
_BYTES_PER_MS = RATE * 2 // 1000


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` to `end`, in seconds from the beginning of the sound."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Sound:
    """What is listened to. `spoken` are the spans in which someone speaks; `original` is the file as it came."""

    pcm: bytes = field(repr=False)
    original: bytes = field(default=b"", repr=False)
    media_type: str = "audio/wav"
    spoken: tuple[Span, ...] = ()

    @property
    def milliseconds(self) -> int:
        return len(self.pcm) // _BYTES_PER_MS


@dataclass(frozen=True, slots=True)
class SpeechHints:
    """What the caller knows of the words: the language (a tag such as `en`), and names or phrases that may come up.

    `task` names a grammar that the embedded listener knows (`invoice`); others take the phrases alone.
    """

    language: str | None = None
    phrases: tuple[str, ...] = ()
    task: str = "items"


@dataclass(frozen=True, slots=True)
class Word:
    """One word, when it was said (in seconds), and how sure the listener is, from 0 to 1, where it says so."""

    text: str
    start: float
    end: float
    probability: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What was said. Empty where nobody spoke. `constrained`: heard against a grammar, so other words cannot appear."""

    text: str
    language: str | None = None
    words: tuple[Word, ...] = ()
    constrained: bool = False


SILENCE = Transcript(text="")


def spoken_words(words: Sequence[Word], spoken: Sequence[Span], slack: float = 0.3) -> tuple[Word, ...]:
    """The words that were said while someone spoke: a listener that puts words into silence is not believed."""
    return tuple(one for one in words if any(one.start < s.end + slack and one.end > s.start - slack for s in spoken))


def milliseconds_of(spans: Sequence[Span]) -> int:
    """How long the spans are together."""
    return round(sum(one.end - one.start for one in spans) * 1000)
