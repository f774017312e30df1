"""OpenAI's objects, as far as they are read. What an endpoint leaves out or adds does no harm."""

from pydantic import BaseModel, ConfigDict, Field

from tillhouse.parts.ai.providers.answers import ErrorObject


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore")


class FunctionPart(_Wire):
    """A piece of a call: its name comes once, its arguments in pieces."""

    name: str | None = None
    arguments: str | None = None


class ToolCallPart(_Wire):
    """A piece of one of the calls, which `index` tells apart. Gemini leaves it out: each of its pieces is a call."""

    index: int | None = None
    id: str | None = None
    function: FunctionPart = FunctionPart()


class Delta(_Wire):
    """What is new of a message. `reasoning_content` is DeepSeek's, `reasoning` that of vLLM and others."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCallPart] | None = None


class Choice(_Wire):
    """The one answer that is asked for."""

    delta: Delta = Delta()
    finish_reason: str | None = None


class PromptDetails(_Wire):
    """Of the prompt's tokens."""

    cached_tokens: int | None = None


class Usage(_Wire):
    """Tokens. `prompt_cache_hit_tokens` is DeepSeek's word for those that were cached."""

    prompt_tokens: int = Field(default=0, ge=0)
    completion_tokens: int = Field(default=0, ge=0)
    prompt_tokens_details: PromptDetails | None = None
    prompt_cache_hit_tokens: int | None = None


class Chunk(_Wire):
    """One event of a stream."""

    choices: list[Choice] = []
    usage: Usage | None = None
    error: ErrorObject | None = None


class EmbeddingObject(_Wire):
    """One vector: numbers, or little-endian 32-bit floats in base64. Gemini leaves an `index` of 0 out."""

    index: int = 0
    embedding: list[float] | str


class EmbeddingList(_Wire):
    """The vectors of one call."""

    data: list[EmbeddingObject]
    usage: Usage | None = None


class WordObject(_Wire):
    """One word and when it was said, in seconds."""

    word: str
    start: float
    end: float
    probability: float | None = None


class Transcription(_Wire):
    """`verbose_json`, or the bare text of those that know no more."""

    text: str
    language: str | None = None
    words: list[WordObject] | None = None
