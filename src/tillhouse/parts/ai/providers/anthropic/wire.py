"""Anthropic's stream events, as far as they are read."""

from pydantic import BaseModel, ConfigDict, Field


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Usage(_Wire):
    """Tokens. What was read from or written to the cache is not among `input_tokens`."""

    input_tokens: int | None = Field(default=None, ge=0)
    output_tokens: int | None = Field(default=None, ge=0)
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class MessageObject(_Wire):
    """The message at its beginning."""

    usage: Usage = Usage()


class Block(_Wire):
    """The beginning of a block: text, thinking, or a call of a tool."""

    type: str
    id: str = ""
    name: str = ""
    text: str = ""


class Delta(_Wire):
    """What is new of a block or of the message."""

    type: str = ""
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class ErrorObject(_Wire):
    """An error in the middle of a stream."""

    type: str = "error"


class Event(_Wire):
    """Any event of a stream; `type` says which of the rest it has."""

    type: str
    index: int = 0
    message: MessageObject | None = None
    content_block: Block | None = None
    delta: Delta | None = None
    usage: Usage | None = None
    error: ErrorObject | None = None
