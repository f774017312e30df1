"""In what those who speak OpenAI's format differ."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tillhouse.kernel.house import House
from tillhouse.parts.ai.providers.openai.settings import (
    DeepSeekSettings,
    GeminiSettings,
    OllamaSettings,
    OpenAISettings,
    VllmSettings,
)

_OPENAI = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """An address and what it understands. `most_tokens_as`: OpenAI's own models refuse the older `max_tokens`, the
    others know nothing newer. `shapes`: DeepSeek promises JSON but not its shape, which then goes into the prompt."""

    name: str
    base: str
    api_key: str = field(default="", repr=False)
    chat_model: str = ""
    speech_model: str = ""
    embedding_model: str = ""
    dimensions: int | None = None
    most_tokens_as: Literal["max_completion_tokens", "max_tokens"] = "max_tokens"
    shapes: Literal["json_schema", "json_object"] = "json_schema"
    listens: bool = False
    embeds: bool = False

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}


def dialects(house: House) -> Iterator[Dialect]:
    """Everyone who is set up in this house, OpenAI first."""
    openai = house.settings_of(OpenAISettings)
    if openai.api_key:
        sandbox = house.settings.sandbox_url.rstrip("/")
        base = openai.base_url or (f"{sandbox}/openai/v1" if sandbox else _OPENAI)
        yield Dialect(
            name="openai",
            base=base.rstrip("/"),
            api_key=openai.api_key,
            chat_model=openai.chat_model,
            speech_model=openai.speech_model,
            embedding_model=openai.embedding_model,
            dimensions=openai.embedding_dimensions,
            most_tokens_as="max_completion_tokens",
            listens=True,
            embeds=True,
        )
    yield from _by_key(house)
    yield from _by_address(house)


def _by_key(house: House) -> Iterator[Dialect]:
    deepseek, gemini = house.settings_of(DeepSeekSettings), house.settings_of(GeminiSettings)
    if deepseek.api_key:
        yield Dialect(
            name="deepseek",
            base=deepseek.base_url.rstrip("/"),
            api_key=deepseek.api_key,
            chat_model=deepseek.chat_model,
            shapes="json_object",
        )
    if gemini.api_key:
        yield Dialect(
            name="gemini",
            base=gemini.base_url.rstrip("/"),
            api_key=gemini.api_key,
            chat_model=gemini.chat_model,
            embeds=True,
        )


def _by_address(house: House) -> Iterator[Dialect]:
    ollama, vllm = house.settings_of(OllamaSettings), house.settings_of(VllmSettings)
    if ollama.base_url:
        yield Dialect(
            name="ollama",
            base=ollama.base_url.rstrip("/"),
            chat_model=ollama.chat_model,
            embedding_model=ollama.embedding_model,
            embeds=True,
        )
    if vllm.base_url:
        yield Dialect(
            name="vllm",
            base=vllm.base_url.rstrip("/"),
            api_key=vllm.api_key,
            chat_model=vllm.chat_model,
            speech_model=vllm.speech_model,
            embedding_model=vllm.embedding_model,
            listens=True,
            embeds=True,
        )
