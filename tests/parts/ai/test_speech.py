"""From a file to words: checked first, silent where nobody speaks, metered by the second."""

import asyncio
import importlib.machinery
import random
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4
from wave import open as open_wave

import httpx
import pytest
from numpy import float64
from sqlalchemy import select

from tests.parts.ai.conftest import Open
from tillhouse.kernel.errors import InvalidInput, PayloadTooLarge
from tillhouse.kernel.house import House
from tillhouse.kernel.outbound import Outbound
from tillhouse.parts.ai.api import chat, speech
from tillhouse.parts.ai.api.chat import Deadlines, Owner, Use
from tillhouse.parts.ai.api.speech import SpeechHints
from tillhouse.parts.ai.domain.grammar import jsgf
from tillhouse.parts.ai.domain.loudness import loud_spans
from tillhouse.parts.ai.domain.pronouncing import phones
from tillhouse.parts.ai.domain.speech import Sound, Span, Word, spoken_words
from tillhouse.parts.ai.models import CallRow
from tillhouse.parts.ai.providers.openai.dialects import Dialect
from tillhouse.parts.ai.providers.openai.speech import OpenAITranscription

SOUNDS = Path(__file__).parent / "sounds"
VALVES = (SOUNDS / "valves.ogg").read_bytes()  # two boiler valves at forty five dollars each and three hours labour
LABOUR = (SOUNDS / "labour.ogg").read_bytes()  # three hours labour
FOX = (SOUNDS / "fox.ogg").read_bytes()  # the quick brown fox jumps over the lazy dog
HINTS = SpeechHints(language="en", phrases=("boiler valve", "boiler valves", "labour"))
USE = Use(Owner("person", uuid4()), "voice_invoice.dictation")

with_sphinx = pytest.mark.skipif(not find_spec("pocketsphinx"), reason="PocketSphinx has no wheel for this Python")


def wav(pcm: bytes, rate: int = 16_000) -> bytes:
    buffer = BytesIO()
    with open_wave(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)
    return buffer.getvalue()


def noise(amplitude: int) -> bytes:
    chance = random.Random(1)
    return b"".join(chance.randint(-amplitude, amplitude).to_bytes(2, "little", signed=True) for _ in range(32_000))


async def rows(house: House) -> list[CallRow]:
    async with house.database.reading() as session:
        return list((await session.execute(select(CallRow).order_by(CallRow.id))).scalars().all())


@with_sphinx
async def test_the_embedded_listener_hears_amounts_units_and_the_callers_names(house: House) -> None:
    heard = await speech.transcribe(house, USE, VALVES, hints=HINTS)
    assert heard.transcript.text == "two boiler valves at forty five dollars each and three hours labour"
    assert heard.model == "sphinx/grammar"
    assert heard.transcript.constrained
    words = heard.transcript.words
    assert [one.text for one in words[:2]] == ["two", "boiler"]
    assert all(one.start < one.end <= heard.seconds for one in words)
    assert [one.start for one in words] == sorted(one.start for one in words)
    (row,) = await rows(house)
    assert (row.kind, row.state, row.cost) == ("transcription", "done", 0)
    assert abs(row.milliseconds - 4981) < 50
    other = await speech.transcribe(house, USE, FOX, hints=HINTS)
    assert other.transcript.text == ""  # words that the grammar does not have are not bent into ones that it has
    assert not other.silent


async def test_silence_and_noise_never_become_words_and_no_model_is_asked(open_house: Open) -> None:
    house = open_house()
    for pcm in (b"\0\0" * 32_000, noise(40), noise(3000)):
        heard = await speech.transcribe(house, USE, wav(pcm), hints=HINTS, models=["openai/whisper-1"])
        assert heard.silent
        assert heard.transcript.text == ""
        assert heard.seconds == 2.0
    assert await rows(house) == []


async def test_sizes_lengths_and_formats_are_refused_in_words_before_anyone_listens(open_house: Open) -> None:
    house = open_house(AI_MOST_SOUND_MEGABYTES="1", AI_MOST_SOUND_MINUTES="1")
    with pytest.raises(PayloadTooLarge, match="larger than 1 MB"):
        await speech.transcribe(house, USE, b"x" * 1_000_001)
    with pytest.raises(InvalidInput, match="longer than 1 minutes"):
        await speech.transcribe(house, USE, wav(b"\0\0" * 480_000, rate=7000))
    playlist = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"
    for nonsense in (b"", b"hello", b"RIFF\x24\x00\x00\x00WAVEfmt ", VALVES[:60], playlist):
        with pytest.raises(InvalidInput, match="not a recording that we can play"):
            await speech.transcribe(house, USE, nonsense)
    assert await rows(house) == []


@with_sphinx
async def test_the_compatible_endpoint_listens_with_word_times_and_is_paid_by_the_second(open_house: Open) -> None:
    house = open_house()
    heard = await speech.transcribe(house, USE, LABOUR, hints=SpeechHints("en", ("hours labour",)))
    assert heard.model == "openai/whisper-1"
    assert heard.transcript.language == "en"
    assert "hours labour" in heard.transcript.text
    assert [one.text for one in heard.transcript.words] == heard.transcript.text.split()
    (row,) = await rows(house)
    assert row.cost == -(-6_000_000 * row.milliseconds // 60_000)  # $0.006 a minute, in billionths


async def test_faults_of_listeners_are_written_down_and_the_next_one_is_asked(
    open_house: Open, fault: Callable[..., None]
) -> None:
    house = open_house(AI_TRIES="1", AI_BREAKER_FAILURES="100")
    for kind, error, state in (
        ("status_500", chat.ModelUnavailable, "failed"),
        ("status_429", chat.ModelUnavailable, "failed"),
        ("timeout_before", chat.ModelLate, "late"),
        ("timeout_after", chat.ModelLate, "late"),
        ("cut_stream", chat.ModelLate, "late"),
        ("stall_stream", chat.ModelLate, "late"),
    ):
        fault(kind, "openai")
        with pytest.raises(error):
            await speech.transcribe(
                house, USE, VALVES, hints=SpeechHints(phrases=("two",)), models=["openai/whisper-1"]
            )
        row = (await rows(house))[-1]
        assert (row.state, row.milliseconds, row.cost) == (state, 0, 0)


@dataclass
class _Segment:
    text: str
    words: list[Any]


class WhisperModel:
    """faster-whisper's interface: a listener that hears two words, and a third in the silence behind them."""

    made: list[tuple[str, dict[str, Any]]] = []
    asked: list[dict[str, Any]] = []
    steps = 1

    def __init__(self, folder: str, **options: Any) -> None:
        self.made.append((folder, options))

    def transcribe(self, samples: Any, **options: Any) -> tuple[Any, Any]:
        self.asked.append({"length": len(samples), "most": float(abs(samples).max()), **options})
        said = [(" two", 0.2, 0.5, 0.9), (" valves", 0.6, 1.2, 0.8), (" thanks", 9.0, 9.5, 0.4)]
        heard = [
            types.SimpleNamespace(word=word, start=float64(start), end=float64(end), probability=float64(chance))
            for word, start, end, chance in said
        ]
        segments = (_Segment(" two valves thanks", heard if i == 0 else []) for i in range(self.steps))
        return segments, types.SimpleNamespace(language="en")


async def test_a_local_whisper_is_loaded_from_its_folder_alone(
    open_house: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = types.ModuleType("faster_whisper")
    library.WhisperModel = WhisperModel  # type: ignore[attr-defined]
    library.__spec__ = importlib.machinery.ModuleSpec("faster_whisper", None)
    monkeypatch.setitem(sys.modules, "faster_whisper", library)
    house = open_house(WHISPER_FOLDER=str(tmp_path))
    assert WhisperModel.made == []  # nothing is loaded before somebody speaks
    heard = await speech.transcribe(house, USE, VALVES, hints=HINTS, models=["whisper/local"])
    assert heard.transcript.text == "two valves"  # what was heard where nobody spoke is left out
    assert {type(one.start) for one in heard.transcript.words} == {float}
    (made,) = WhisperModel.made
    assert made == (str(tmp_path), {"device": "cpu", "compute_type": "int8", "local_files_only": True})
    asked = WhisperModel.asked[0]
    assert 0.05 < asked["most"] <= 1.0
    assert asked["length"] > 70_000
    assert (asked["language"], asked["initial_prompt"]) == ("en", "boiler valve, boiler valves, labour")


@with_sphinx
async def test_listening_stops_at_its_deadline(house: House) -> None:
    async with asyncio.timeout(20):
        with pytest.raises(chat.ModelLate):
            await speech.transcribe(house, USE, FOX, hints=HINTS, deadlines=Deadlines(1, 1, 0.01))
    assert [row.state for row in await rows(house)] == ["late"]


def test_steady_noise_is_no_speech_and_a_burst_is() -> None:
    assert loud_spans(noise(3000)) == ()
    quiet = b"\0\0" * 16_000
    assert [(round(s.start, 1), round(s.end, 1)) for s in loud_spans(quiet + noise(3000) + quiet * 4)] == [(1.0, 3.0)]


def test_words_outside_of_speech_are_dropped() -> None:
    words = (Word("two", 0.1, 0.4), Word("thanks", 5.0, 5.5))
    assert spoken_words(words, (Span(0.0, 1.0),)) == words[:1]


def test_a_grammar_holds_the_names_and_nothing_that_could_break_it() -> None:
    text = jsgf("items", ["Copper pipe", "valve; public <x> = anything;", "", "3/4"])
    assert "<name> = copper pipe | valve public x anything;" in text
    assert text.count("public") == 2
    with pytest.raises(KeyError):
        jsgf("dictation", [])


@pytest.mark.parametrize(
    ("word", "sounds"),
    [("Nguyen", "NG UW IY EH N"), ("Rao", "R AW"), ("cell", "S EH L"), ("123", ""), ("Asha", "AH SH AA")],
)
def test_an_unknown_name_has_sounds(word: str, sounds: str) -> None:
    assert phones(word) == sounds


async def test_a_format_that_the_endpoint_does_not_take_is_sent_as_wav() -> None:
    taken: list[bytes] = []

    def take(request: httpx.Request) -> httpx.Response:
        taken.append(request.content)
        return httpx.Response(200, json={"text": " hello ", "language": "hindi", "words": None})

    outbound = Outbound(mounts={"http://x": httpx.MockTransport(take)})
    endpoint = OpenAITranscription(outbound, Dialect(name="openai", base="http://x", listens=True))
    sound = Sound(pcm=b"\1\0" * 160, original=b"caff", media_type="application/octet-stream")
    heard = await endpoint.transcribe("whisper-1", sound, SpeechHints(), 5)
    assert (heard.text, heard.language, heard.words) == ("hello", "hi", ())
    assert b'filename="sound.wav"' in taken[0]
    assert b"RIFF" in taken[0]
    await endpoint.transcribe("gpt-transcribe", replace(sound, media_type="audio/mpeg"), SpeechHints("th", ("a",)), 5)
    assert b'filename="sound.mp3"' in taken[1]
    assert b"caff" in taken[1]
    assert b"verbose_json" in taken[0]
    assert b"verbose_json" not in taken[1]
