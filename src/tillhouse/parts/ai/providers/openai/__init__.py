"""Everyone who speaks OpenAI's wire format: OpenAI, DeepSeek, Gemini, Ollama, vLLM, and any other by its address."""

from collections.abc import Iterator, Sequence

from tillhouse.kernel.health import answers_at
from tillhouse.kernel.house import House
from tillhouse.parts.ai.ports.chat import InstalledChat
from tillhouse.parts.ai.ports.embedding import InstalledEmbedding
from tillhouse.parts.ai.ports.speech import InstalledTranscription
from tillhouse.parts.ai.providers.openai.chat import OpenAIChat
from tillhouse.parts.ai.providers.openai.dialects import Dialect, dialects
from tillhouse.parts.ai.providers.openai.embedding import OpenAIEmbedding
from tillhouse.parts.ai.providers.openai.speech import OpenAITranscription

TITLES = {
    "openai": "OpenAI",
    "deepseek": "DeepSeek",
    "gemini": "Google Gemini",
    "ollama": "Ollama",
    "vllm": "vLLM",
}


def install(house: House) -> Sequence[object]:
    """An endpoint of each kind for every address that is set up."""
    return [thing for dialect in dialects(house) for thing in _endpoints(house, dialect)]


def _endpoints(house: House, dialect: Dialect) -> Iterator[object]:
    yield InstalledChat(OpenAIChat(house.outbound, dialect), dialect.chat_model)
    if dialect.listens:
        yield InstalledTranscription(OpenAITranscription(house.outbound, dialect), dialect.speech_model)
    if dialect.embeds:
        yield InstalledEmbedding(OpenAIEmbedding(house.outbound, dialect), dialect.embedding_model, dialect.dimensions)
    yield answers_at(dialect.name, dialect.base)
