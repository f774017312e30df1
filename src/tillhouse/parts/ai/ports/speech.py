"""The port of what turns speech into words."""

from dataclasses import dataclass
from typing import Protocol

from tillhouse.parts.ai.domain.speech import Sound, SpeechHints, Transcript


class TranscriptionEndpoint(Protocol):
    """Somewhere that listens. Its name is the first part of `endpoint/model`."""

    @property
    def name(self) -> str: ...

    async def transcribe(self, model: str, sound: Sound, hints: SpeechHints, seconds: float) -> Transcript:
        """The words of a sound in which someone speaks. `seconds` is how long it may take; cancelling stops the work.

        Must not be called in a transaction. Raises `ModelFailure`.
        """
        ...


@dataclass(frozen=True, slots=True)
class InstalledTranscription:
    """An adapter, as it is provided. `default_model` and `last` as for chat."""

    endpoint: TranscriptionEndpoint
    default_model: str = ""
    last: bool = False
