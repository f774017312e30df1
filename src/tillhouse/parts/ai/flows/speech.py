"""From a file to words: checked, decoded, listened to where somebody speaks, metered."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tillhouse.kernel.errors import FieldError, InvalidInput, PayloadTooLarge
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.ai.domain.calls import Amounts, Use
from tillhouse.parts.ai.domain.deadlines import Deadlines
from tillhouse.parts.ai.domain.failures import ModelUnavailable
from tillhouse.parts.ai.domain.loudness import both, loud_spans
from tillhouse.parts.ai.domain.speech import SILENCE, Sound, SpeechHints, Transcript, spoken_words
from tillhouse.parts.ai.flows.attempts import Question, whole
from tillhouse.parts.ai.flows.switchboard import speech_chain
from tillhouse.parts.ai.ports.sound import InstalledSoundReader, InstalledVoiceGate, SoundTooLong, UnreadableSound
from tillhouse.parts.ai.ports.speech import TranscriptionEndpoint
from tillhouse.parts.ai.settings import AISettings

NO_HINTS = SpeechHints()


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard, by which model (empty where nobody spoke and none was asked), in a sound of so many seconds."""

    transcript: Transcript
    model: str
    seconds: float

    @property
    def silent(self) -> bool:
        """Nobody spoke."""
        return not self.model


async def transcribe(
    house: House,
    use: Use,
    content: bytes,
    *,
    hints: SpeechHints = NO_HINTS,
    models: Sequence[str] = (),
    deadlines: Deadlines | None = None,
) -> Heard:
    """The words of a file of sound or film. Where nobody speaks no model is asked, and there are no words.

    Must not be called in a transaction. Raises `PayloadTooLarge`, `InvalidInput` (with what to do about it), and as
    `chat.stream` does.
    """
    sound = await _checked(house, content)
    if not sound.spoken:
        return Heard(SILENCE, "", sound.milliseconds / 1000)
    chain = speech_chain(house, models)
    if not chain:
        raise ModelUnavailable(N_("Nothing here can listen to speech yet. Type it, or ask our staff to set it up."))
    limits = deadlines or _as_long_as_it_takes(house.settings_of(AISettings).deadlines, sound)
    most = Amounts(milliseconds=sound.milliseconds)
    question = Question(house=house, use=use, kind="transcription", most=most)

    async def ask(model: str, endpoint: TranscriptionEndpoint, seconds: float) -> Transcript:
        return await endpoint.transcribe(model, sound, hints, seconds)

    model, transcript = await whole(question, chain, limits, ask, lambda _: most)
    return Heard(_believed(transcript, sound), model, sound.milliseconds / 1000)


async def _checked(house: House, content: bytes) -> Sound:
    settings = house.settings_of(AISettings)
    megabytes, minutes = settings.most_sound_megabytes, settings.most_sound_minutes
    if len(content) > megabytes * 1_000_000:
        raise PayloadTooLarge(
            N_("This recording is larger than {megabytes} MB. Send it in parts."), megabytes=megabytes
        )
    try:
        return await asyncio.to_thread(_decoded, house, content, minutes * 60_000)
    except SoundTooLong:
        too_long = N_("This recording is longer than {minutes} minutes. Send it in parts.")
        error = FieldError("/file", "too_long", too_long)
        raise InvalidInput(too_long, errors=[error], minutes=minutes) from None
    except UnreadableSound:
        unreadable = N_("This is not a recording that we can play. Send MP3, M4A, OGG, WAV, FLAC or WebM.")
        raise InvalidInput(unreadable, errors=[FieldError("/file", "unreadable", unreadable)]) from None


def _as_long_as_it_takes(limits: Deadlines, sound: Sound) -> Deadlines:
    """Who listens on this machine takes about as long as the sound."""
    return replace(limits, total=limits.total + sound.milliseconds / 1000)


def _decoded(house: House, content: bytes, most_milliseconds: int) -> Sound:
    sound = house.the(InstalledSoundReader).reader.read(content, most_milliseconds)
    spoken = loud_spans(sound.pcm)
    for installed in house.provided(InstalledVoiceGate):
        spoken = both(installed.gate.spoken(sound.pcm), spoken)
    return replace(sound, spoken=spoken)


def _believed(transcript: Transcript, sound: Sound) -> Transcript:
    """Without words that were put where nobody spoke."""
    if not transcript.words:
        return transcript
    words = spoken_words(transcript.words, sound.spoken)
    if len(words) == len(transcript.words):
        return transcript
    return replace(transcript, words=words, text=" ".join(one.text for one in words))
