"""Turning speech into words."""

from tillhouse.parts.ai.domain.speech import SpeechHints, Transcript, Word
from tillhouse.parts.ai.flows.speech import Heard, transcribe

__all__ = ["Heard", "SpeechHints", "Transcript", "Word", "transcribe"]
