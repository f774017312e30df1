"""Transcription (https://platform.openai.com/docs/api-reference/audio/createTranscription)."""

import wave
from io import BytesIO

from tillhouse.kernel.outbound import Outbound, Upload
from tillhouse.parts.ai.domain.speech import RATE, Sound, SpeechHints, Transcript, Word
from tillhouse.parts.ai.providers.answers import Progress, read, refusal, request_id, translated
from tillhouse.parts.ai.providers.openai.dialects import Dialect
from tillhouse.parts.ai.providers.openai.wire import Transcription

_LONGEST_PROMPT = 800  # characters; the model looks at the last 224 tokens
# `verbose_json` names languages in English; we keep tags.
_TAGS = {"english": "en", "hindi": "hi", "vietnamese": "vi", "thai": "th", "hebrew": "he", "tamil": "ta",
         "bengali": "bn", "marathi": "mr", "telugu": "te", "chinese": "zh", "japanese": "ja", "french": "fr",
         "german": "de", "spanish": "es"}  # fmt: skip
_ENDINGS = {"audio/mpeg": "mp3", "audio/mp4": "m4a", "audio/ogg": "ogg", "audio/flac": "flac", "audio/wav": "wav",
            "audio/webm": "webm"}  # fmt: skip


class OpenAITranscription:
    """One address that speaks the format."""

    def __init__(self, outbound: Outbound, dialect: Dialect) -> None:
        self._outbound = outbound
        self._dialect = dialect

    @property
    def name(self) -> str:
        return self._dialect.name

    async def transcribe(self, model: str, sound: Sound, hints: SpeechHints, seconds: float) -> Transcript:
        """The words of a sound. See `ports.speech`."""
        # Successors of whisper-1 answer in plain JSON alone; they give no times.
        verbose = "whisper" in model
        form = {"model": model, "response_format": "verbose_json" if verbose else "json"}
        if verbose:
            form["timestamp_granularities[]"] = "word"
        if hints.language:
            form["language"] = hints.language
        if hints.phrases:
            form["prompt"] = ", ".join(hints.phrases)[:_LONGEST_PROMPT]
        upload = _upload(sound)
        with translated(Progress()):
            answer = await self._outbound.send(
                self.name,
                "POST",
                f"{self._dialect.base}/audio/transcriptions",
                form=form,
                headers=self._dialect.headers,
                timeout=seconds,
                upload=upload,
            )
        if not answer.ok:
            raise refusal(answer.status, answer.headers, answer.body)
        found = read(Transcription, answer.body, request_id(answer.headers))
        words = tuple(Word(one.word.strip(), one.start, one.end, one.probability) for one in found.words or ())
        spoken_in = (found.language or hints.language or "").lower() or None
        return Transcript(text=found.text.strip(), language=_TAGS.get(spoken_in or "", spoken_in), words=words)


def _upload(sound: Sound) -> Upload:
    """The file as it came where its format is one of those that are taken; else what was decoded from it."""
    if ending := _ENDINGS.get(sound.media_type):
        return Upload("file", f"sound.{ending}", sound.original, sound.media_type)
    buffer = BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(sound.pcm)
    return Upload("file", "sound.wav", buffer.getvalue(), "audio/wav")
