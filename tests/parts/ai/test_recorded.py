"""What models and makers of pictures answer, whole (`tests/recorded`), and what we make of it."""

import json
from collections.abc import Mapping
from uuid import uuid4

import httpx
import pytest

from tests.parts.ai.test_wire import SHAPED, Wire, all_of, failure_of
from tests.recordings import body, names_of
from tillhouse.kernel.outbound import Outbound
from tillhouse.parts.ai.domain.chat import Begun, Ended, ReasoningDelta, TextDelta, TokenUsage, ToolCall
from tillhouse.parts.ai.domain.failures import ModelFailure
from tillhouse.parts.ai.domain.images import Asked, Pack, Standing, hint_in
from tillhouse.parts.ai.domain.speech import Sound, SpeechHints, Word
from tillhouse.parts.ai.ports.chat import ChatEndpoint
from tillhouse.parts.ai.providers.astria.images import AstriaImages
from tillhouse.parts.ai.providers.astria.settings import AstriaSettings
from tillhouse.parts.ai.providers.openai.dialects import Dialect
from tillhouse.parts.ai.providers.openai.embedding import OpenAIEmbedding
from tillhouse.parts.ai.providers.openai.speech import OpenAITranscription

# What is thought, what is said, and how it ends.
Told = tuple[str, str, Ended]
HOURS = "They ask for hours, so the tool knows."
BREAD = (
    "The user wants to know why bread rises. Yeast makes gas — that is all there is to say, "
    'and a "short" answer will do.'
)
CUT = '{"name": "packing.md", "lines": [\n"# Packing",\n"",\n"Two warm jum'
LAMP = ToolCall("function-call-40718265930417726581", "stock_of", '{"item":"lamp"}')
VASE = ToolCall("function-call-40718265930417726582", "price_of", '{"item":"vase"}')

OF_OPENAI: Mapping[str, Told] = {
    "openai/chat": ("", "Open till six.", Ended("stop", TokenUsage(1212, 5, 1152))),
    "openai/chat.length": ("", '["tea', Ended("length", TokenUsage(63, 2, 0))),
    "openai/chat.refusal": ("", "That is not something to be filled in here.", Ended("stop", TokenUsage(118, 12, 0))),
    "openai/chat.tool_call": (
        "",
        "",
        Ended(
            "tool_calls",
            TokenUsage(52, 17, 0),
            (ToolCall("call_p8RtZc2LmW5kXq9sVb3nYd7J", "opening_hours", '{"shop":"Market Lane"}'),),
        ),
    ),
    "openai/chat.tool_calls": (
        "",
        "",
        Ended(
            "tool_calls",
            TokenUsage(171, 48, 0),
            (
                ToolCall("call_b6HwKe1TnQ4jUx8rSz2mPa5G", "stock_of", '{"item": "kettle", "colour": "green"}'),
                ToolCall("call_d9FyNv3GoR7cLi5tWk8qXh2B", "price_of", '{"item": "kettle", "currency": "INR"}'),
            ),
        ),
    ),
    "deepseek/chat.reasoning": ("First the sum, then its tax.", "", Ended("length", TokenUsage(71, 9, 0))),
    "deepseek/chat.tool_call": (
        HOURS,
        "",
        Ended(
            "tool_calls",
            TokenUsage(402, 43, 320),
            (ToolCall("call_00_mQ4tXw8ZkRb2VnYc6LsHd1Pj", "opening_hours", '{"shop": "Mill Road"}'),),
        ),
    ),
    "gemini/chat": ("", "Parcels leave at noon.", Ended("stop", None)),
    "gemini/chat.empty": ("", "", Ended("stop", TokenUsage(287, 0, 0))),
    "gemini/chat.tool_call": ("", "", Ended("tool_calls", TokenUsage(287, 14, 0), (LAMP,))),
    "gemini/chat.tool_call.signed": (
        "",
        "",
        Ended("tool_calls", TokenUsage(287, 14, 0), (ToolCall("call_518362", "stock_of", '{"item":"lamp"}'),)),
    ),
    "gemini/chat.tool_calls": ("", "", Ended("tool_calls", TokenUsage(287, 27, 0), (LAMP, VASE))),
    "ollama/chat.tool_call": (
        "Hours first.",
        "",
        Ended("tool_calls", TokenUsage(158, 36, 0), (ToolCall("call_k3v9x2tq", "opening_hours", '{"shop":"Quay"}'),)),
    ),
}
OF_ANTHROPIC: Mapping[str, Told] = {
    "anthropic/message": ("", "We are open on Sundays.", Ended("stop", TokenUsage(34, 9, 0))),
    "anthropic/message.tool_use": (
        "",
        "Let me look up the hours of that shop.",
        Ended(
            "tool_calls",
            TokenUsage(1436, 58, 1024),  # 412 that were read anew, 1024 from the cache
            (ToolCall("toolu_01Hc8TzLyRm5WkXq3VbNs7Pd", "opening_hours", '{"shop": "Market Lane"}'),),
        ),
    ),
    "anthropic/message.length": (
        "",
        "I'll write the packing list into a file now.",
        Ended(
            "length",
            TokenUsage(585, 71, 0),  # 64 of them were put into the cache
            (ToolCall("toolu_01Jd5VwNzSp8XmYr4WcQt9Re", "write_list", CUT),),
        ),
    ),
    "anthropic/message.refusal": ("", "", Ended("content_filter", TokenUsage(46, 0, 0))),
    "anthropic/message.fallback": ("", "Good morning!", Ended("stop", TokenUsage(39, 11, 0))),
    "anthropic/message.thinking": (BREAD, "Bread", Ended("content_filter", TokenUsage(57, 83, 0))),
}
BROKEN: Mapping[str, tuple[str, str]] = {
    "openai/chat.error_within": ("cut", "server_error"),
    "anthropic/message.overloaded": ("down", "overloaded_error"),
}
ERRORS: Mapping[str, tuple[int, str, str]] = {
    "openai/error.model": (404, "refused", "model_not_found"),
    "openai/error.quota": (429, "refused", "insufficient_quota"),
    "deepseek/error.balance": (402, "refused", "invalid_request_error"),
    "gemini/error.quota": (429, "busy", "RESOURCE_EXHAUSTED"),
    "gemini/error.key": (400, "refused", "INVALID_ARGUMENT"),
    "ollama/error.model": (404, "refused", "api_error"),
    "vllm/error.too_many_tokens": (400, "refused", "BadRequestError"),
    "vllm/error.before": (400, "refused", "BadRequestError"),
    "anthropic/error.prompt": (400, "refused", "invalid_request_error"),
    "anthropic/error.overloaded": (529, "down", "overloaded_error"),
}
VECTORS = {"openai/embeddings": (3, 11), "openai/embeddings.base64": (8, 6), "gemini/embeddings": (3, None)}
SPOKEN = {"openai/transcription", "openai/transcription.verbose"}
PROVIDERS = ("openai", "deepseek", "gemini", "ollama", "vllm", "anthropic")


def recorded(name: str) -> str:
    return body(*name.split("/", 1)).decode()


def endpoint_of(name: str, wire: Wire) -> ChatEndpoint:
    return wire.anthropic() if name.startswith("anthropic/") else wire.openai()


def test_all_that_is_recorded_of_models_is_read_by_a_test() -> None:
    known = {*OF_OPENAI, *OF_ANTHROPIC, *BROKEN, *ERRORS, *VECTORS, *SPOKEN}
    assert known == {f"{provider}/{name}" for provider in PROVIDERS for name in names_of(provider)}


@pytest.mark.parametrize("name", [*OF_OPENAI, *OF_ANTHROPIC])
async def test_a_whole_stream_is_read(name: str) -> None:
    thought, said, ended = {**OF_OPENAI, **OF_ANTHROPIC}[name]
    found = await all_of(endpoint_of(name, Wire(recorded(name))))
    assert isinstance(found[0], Begun)
    assert "".join(one.text for one in found if isinstance(one, ReasoningDelta)) == thought
    assert "".join(one.text for one in found if isinstance(one, TextDelta)) == said
    assert found[-1] == ended


async def test_a_refusal_to_fill_a_shape_is_told_as_one() -> None:
    assert (await all_of(Wire(recorded("anthropic/message.refusal")).anthropic(), SHAPED))[-1] == Ended(
        "content_filter", TokenUsage(46, 0, 0)
    )


@pytest.mark.parametrize("name", BROKEN)
async def test_an_error_within_a_stream_ends_it(name: str) -> None:
    failure = await failure_of(endpoint_of(name, Wire(recorded(name))))
    assert (failure.trouble, failure.detail) == BROKEN[name]


@pytest.mark.parametrize("name", ERRORS)
async def test_an_error_is_known_by_its_name(name: str) -> None:
    status, trouble, word = ERRORS[name]
    failure = await failure_of(endpoint_of(name, Wire(recorded(name), status)))
    assert (failure.trouble, failure.detail) == (trouble, f"http_{status}:{word}")


def listening(answers: Mapping[str, tuple[int, str]]) -> Outbound:
    """Addresses that answer by the end of their path, with a status and a recorded body."""

    def answer(request: httpx.Request) -> httpx.Response:
        status, name = answers[next(path for path in answers if request.url.path.endswith(path))]
        return httpx.Response(status, content=recorded(name).encode())

    return Outbound(mounts={"http://x": httpx.MockTransport(answer)})


@pytest.mark.parametrize("name", VECTORS)
async def test_vectors_are_read_in_their_order(name: str) -> None:
    length, tokens = VECTORS[name]
    texts = [one["object"] for one in json.loads(recorded(name))["data"]]
    endpoint = OpenAIEmbedding(listening({"/embeddings": (200, name)}), Dialect(name="e", base="http://x"))
    found = await endpoint.embed("m", texts, "passage", None, 5)
    assert [len(one) for one in found.vectors] == [length] * len(texts)
    assert all(abs(sum(number * number for number in one) - 1) < 1e-9 for one in found.vectors)
    assert found.estimated == (tokens is None)
    assert found.tokens == tokens or found.estimated
    if name == "gemini/embeddings":  # of the two, the first names no index
        assert [one[0] > 0 for one in found.vectors] == [True, False]


async def test_a_transcription_is_read_with_the_times_of_its_words_and_without() -> None:
    async def heard(name: str, model: str, language: str | None = None) -> tuple[str, str | None, tuple[Word, ...]]:
        outbound = listening({"/audio/transcriptions": (200, name)})
        endpoint = OpenAITranscription(outbound, Dialect(name="e", base="http://x"))
        found = await endpoint.transcribe(model, Sound(b"\0" * 320), SpeechHints(language), 5)
        return found.text, found.language, found.words

    text, language, words = await heard("openai/transcription.verbose", "whisper-1")
    assert text == "Please bring the blue folder to room seven."
    assert language == "en"
    assert [one.text for one in words] == ["Please", "bring", "the", "blue", "folder", "to", "room", "seven"]
    assert (words[0].start, words[1].start, words[1].end) == (0.12, 0.43, 0.71)
    text, language, words = await heard("openai/transcription", "gpt-4o-transcribe", "hi")
    assert text == "The parcel comes on Thursday. Please leave the gate open and ring twice."
    assert (language, words) == ("hi", ())


ASTRIA = {
    "tune.created", "tune", "tunes", "prompt.created", "prompt", "prompt.done", "prompts", "packs", "pack",
    "pack.ordered", "callback.tune", "callback.prompt", "error",
}  # fmt: skip
CALLBACK = "https://shop.example.com/astria/ready"
TUNE = Asked(id=uuid4(), kind="tune", callback=CALLBACK, subject="woman")
PACK = Asked(id=uuid4(), kind="pack", callback=CALLBACK, subject="woman", pack="58")
PROMPT = Asked(id=uuid4(), kind="prompt", callback=CALLBACK, text="a painting", tune="2718", pictures=1)


def astria(**answers: tuple[int, str]) -> AstriaImages:
    told = {f"/{path.replace('__', '/')}": (status, f"astria/{name}") for path, (status, name) in answers.items()}
    return AstriaImages(listening(told), AstriaSettings(api_key="k", branch="flux1", base_tune="2718"), "http://x")


def test_all_that_is_recorded_of_astria_is_read_by_a_test() -> None:
    assert names_of("astria") == ASTRIA


async def test_orders_are_known_by_the_number_that_astria_gives_them() -> None:
    assert await astria(tunes=(201, "tune.created")).begin(TUNE) == "2718"
    assert await astria(p__58__tunes=(201, "pack.ordered")).begin(PACK) == "2718"
    assert await astria(tunes__2718__prompts=(201, "prompt.created")).begin(PROMPT) == "90412"
    with pytest.raises(ModelFailure, match="http_422:images,title"):
        await astria(tunes=(422, "error")).begin(TUNE)


async def test_an_order_is_found_again_among_those_that_astria_lists() -> None:
    """Of those that are printed none is ours: a tune has our order's id for a title, a prompt calls us back."""
    assert await astria(tunes=(200, "tunes")).find(TUNE) is None
    listed = json.loads(recorded("astria/prompts"))[0]["callback"]
    ours = Asked(id=uuid4(), kind="prompt", callback=listed, text="a painting", tune="2718")
    assert await astria(tunes__2718__prompts=(200, "prompts")).find(ours) == "90412"
    assert await astria(tunes__2718__prompts=(200, "prompts")).find(PROMPT) is None


async def test_where_an_order_stands_follows_from_its_times() -> None:
    assert await astria(tunes__2718=(200, "tune")).look(TUNE, "2718") == Standing("ready", (), "Meera K.")
    both = astria(tunes__2718__prompts=(200, "prompts"), tunes__2718=(200, "tune"))
    assert await both.look(PACK, "2718") == Standing("generating", (), "Meera K.")  # its one prompt has no end
    waits = await astria(tunes__2718__prompts__90412=(200, "prompt")).look(PROMPT, "90412")
    assert waits == Standing("generating", [], str(PROMPT.id))
    done = await astria(tunes__2718__prompts__90412=(200, "prompt.done")).look(PROMPT, "90412")
    pictures = [f"https://pictures.example.com/astria/90412-{number}.jpg" for number in (1, 2)]
    assert done == Standing("ready", pictures, str(PROMPT.id))


async def test_what_a_pack_holds_is_asked_of_the_pack_where_the_list_does_not_say() -> None:
    (found,) = await astria(packs=(200, "packs"), p__58=(200, "pack")).packs()
    cover = "https://pictures.example.com/astria/pack-58.jpg"
    assert found == Pack("58", "Studio portraits", cover, {"woman": 40, "man": 32})
    (gone,) = await astria(packs=(200, "packs"), p__58=(404, "error")).packs()
    assert gone.pictures == {}


@pytest.mark.parametrize(
    ("name", "number"),
    [("callback.tune", "2718"), ("callback.prompt", "90412"), ("tune", "2718"), ("prompt", "90412")],
)
def test_a_callback_names_the_order_that_it_tells_of(name: str, number: str) -> None:
    assert hint_in(body("astria", name)) == number
