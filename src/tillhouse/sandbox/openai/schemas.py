"""Requests of OpenAI's API, as far as they are understood; what else a client sends is taken and ignored."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tillhouse.sandbox.openai.errors import OpenAIError


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Part(_Wire):
    """A part of a message's content."""

    type: str
    text: str = ""


class Message(_Wire):
    """One message of a conversation."""

    role: Literal["developer", "system", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None
    tool_call_id: str | None = None
    tool_calls: list[dict[str, Any]] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content or () if part.type in ("text", "input_text"))


class Function(_Wire):
    """A function that the model may ask for."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}


class Tool(_Wire):
    """A tool; only functions exist."""

    type: Literal["function"]
    function: Function


class JsonSchema(_Wire):
    """A shape with a name."""

    name: str
    schema_: dict[str, Any] = Field(default={}, alias="schema")


class ResponseFormat(_Wire):
    """Which form the answer must have."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StreamOptions(_Wire):
    """What a stream tells beside the answer."""

    include_usage: bool = False


class ChatBody(_Wire):
    """`POST /v1/chat/completions`."""

    model: str = Field(min_length=1)
    messages: list[Message] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    n: int = Field(default=1, ge=1, le=1)
    response_format: ResponseFormat | None = None
    tools: list[Tool] = []
    tool_choice: str | dict[str, Any] | None = None

    @property
    def most_tokens(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def must_use(self) -> str | None:
        """The tool that must be used: its name, or empty for any; None when none must."""
        if self.tool_choice == "required":
            return ""
        if isinstance(self.tool_choice, dict):
            return str(self.tool_choice.get("function", {}).get("name", ""))
        return None

    def check(self) -> None:
        """What the real API refuses though it is well-formed."""
        if self.model.startswith(("gpt-5", "o1", "o3", "o4")) and self.max_tokens is not None:
            message = (
                "Unsupported parameter: 'max_tokens' is not supported with this model. "
                "Use 'max_completion_tokens' instead."
            )
            raise OpenAIError(message, code="unsupported_parameter", param="max_tokens")
        if self.stream_options and not self.stream:
            message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
            raise OpenAIError(message, param="stream_options")
        asks_json = self.response_format is not None and self.response_format.type == "json_object"
        if asks_json and "json" not in " ".join(message.text for message in self.messages).lower():
            message = (
                "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
            )
            raise OpenAIError(message, param="messages")
        if self.response_format and self.response_format.type == "json_schema" and not self.response_format.json_schema:
            raise OpenAIError("Missing required parameter: 'response_format.json_schema'.", param="response_format")


class EmbeddingBody(_Wire):
    """`POST /v1/embeddings`."""

    model: str = Field(min_length=1)
    input: str | list[str] | list[int] | list[list[int]]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(default=None, ge=1, le=3072)

    @property
    def texts(self) -> list[str]:
        """The inputs; tokens of other people's tokenisers are read as words."""
        if isinstance(self.input, str):
            return [self.input]
        if self.input and isinstance(self.input[0], int):
            return [" ".join(map(str, self.input))]
        return [one if isinstance(one, str) else " ".join(map(str, one)) for one in self.input]  # type: ignore[arg-type]
