"""What is said to a model, and what it says back. Text that somebody else wrote is `Untrusted`, and stays so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tillhouse.kernel.db import JsonObject

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class UntrustedWithTools(ValueError):
    """A call held both text that somebody else wrote and tools: what the text says could then be done."""


@dataclass(frozen=True, slots=True)
class Untrusted:
    """Text that somebody else wrote: a document, a web page, what a tool brought back. Material, never instruction.

    `source` is what it is called ("invoice.pdf, page 2"); `reference` is the caller's own name of it, and goes nowhere.
    """

    text: str
    source: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """Something the model may ask for. `parameters` is a JSON schema of an object. The caller does it, never we."""

    name: str
    description: str
    parameters: JsonObject


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What the model asks for. `arguments` is JSON as the model wrote it: check it before anything is done."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class UserMessage:
    """What a person says, with the material that it is about."""

    text: str
    material: tuple[Untrusted, ...] = ()


@dataclass(frozen=True, slots=True)
class AssistantMessage:
    """What the model said before."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolMessage:
    """What became of a tool call, in words that our own code chose."""

    call_id: str
    text: str


Message = UserMessage | AssistantMessage | ToolMessage


@dataclass(frozen=True, slots=True)
class JsonShape:
    """The shape that an answer must have, as a JSON schema with a name."""

    name: str
    schema: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One question to a model. Holds material or tools, never both: raises `UntrustedWithTools`.

    `most_tokens` is the longest answer, in tokens; `language` (a tag such as `hi`) is what the house's own sentences in
    an answer are in.
    """

    messages: tuple[Message, ...]
    system: str = ""
    tools: tuple[Tool, ...] = ()
    shape: JsonShape | None = None
    most_tokens: int = 1024
    temperature: float | None = None

    def __post_init__(self) -> None:
        if not self.messages:
            raise ValueError("a request has at least one message")
        if self.most_tokens < 1:
            raise ValueError("an answer has at least one token")
        if self.tools and self.material:
            raise UntrustedWithTools("text that somebody else wrote and tools do not go into one call")

    @property
    def material(self) -> tuple[Untrusted, ...]:
        """All material, in the order in which it is numbered: 1 is the first."""
        return tuple(one for message in self.messages if isinstance(message, UserMessage) for one in message.material)

    @property
    def question(self) -> str:
        """What the person said last."""
        return next((m.text for m in reversed(self.messages) if isinstance(m, UserMessage)), "")


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens as the endpoint counted them; `estimated` when it did not and we did. `cached` are among `input`."""

    input: int = 0
    output: int = 0
    cached: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Begun:
    """The endpoint has accepted the call. `input` tokens, where it says so at once."""

    request_id: str = ""
    usage: TokenUsage | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """The next piece of what a reasoning model thinks. Not part of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The answer is whole. `quotes` are set by a model that only quotes."""

    finish: FinishReason
    usage: TokenUsage | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    quotes: "tuple[Quote, ...] | None" = None


ChatEvent = Begun | TextDelta | ReasoningDelta | Ended


@dataclass(frozen=True, slots=True)
class Quote:
    """Words of the material: `text == material[number - 1].text[start:end]`."""

    number: int
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer. `extractive`: it is made of `quotes` alone, no model wrote a word of it."""

    text: str
    finish: FinishReason
    model: str
    usage: TokenUsage
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = field(default="", repr=False)
    quotes: tuple[Quote, ...] = ()
    extractive: bool = False


def estimate_tokens(text: str) -> int:
    """How many tokens a text is, roughly, and rather too many than too few: four letters of ASCII, or one other."""
    ascii_letters = sum(character.isascii() for character in text)
    return -(-ascii_letters // 4) + len(text) - ascii_letters


def estimate_input(request: ChatRequest) -> int:
    """Tokens of all that is sent, roughly: each message takes a few of its own."""
    texts: list[str] = [request.system]
    for message in request.messages:
        texts.append(message.text)
        if isinstance(message, UserMessage):
            texts += [one.source + one.text for one in message.material]
    for tool in request.tools:
        texts += [tool.name, tool.description, str(tool.parameters)]
    if request.shape:
        texts.append(str(request.shape.schema))
    return sum(map(estimate_tokens, texts)) + 4 * len(texts)


def last_words(text: str, parts: Sequence[str]) -> str:
    """A message's text after its material, with one empty line between."""
    return "\n\n".join([*parts, text]) if text else "\n\n".join(parts)
