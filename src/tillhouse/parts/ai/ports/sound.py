"""The ports of what makes a file into a sound, and finds where somebody speaks in it."""

from dataclasses import dataclass
from typing import Protocol

from tillhouse.parts.ai.domain.speech import Sound, Span


class SoundReader(Protocol):
    """Reads files of sound, or of film with sound."""

    def read(self, content: bytes, most_milliseconds: int) -> Sound:
        """The sound in a file. Takes a thread for seconds. Raises `UnreadableSound`, `SoundTooLong`."""
        ...


class VoiceGate(Protocol):
    """Hears whether somebody speaks, not what."""

    def spoken(self, pcm: bytes) -> tuple[Span, ...]:
        """Where somebody speaks, in order. Takes a thread for a moment."""
        ...


@dataclass(frozen=True, slots=True)
class InstalledSoundReader:
    """The one reader of the house, as it is provided."""

    reader: SoundReader


@dataclass(frozen=True, slots=True)
class InstalledVoiceGate:
    """A gate, as it is provided. Loudness has to agree with it, and decides alone where there is none."""

    gate: VoiceGate


class UnreadableSound(Exception):
    """It is not a sound, or none that can be decoded."""


class SoundTooLong(Exception):
    """It is longer than it may be."""
