"""What the model says: quotes with their documents' names, calls of tools, JSON; or, gullible, what a document says."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tillhouse.sandbox.model.reading import Prompt, best_sentences, telling
from tillhouse.sandbox.model.shaping import filled

NOT_FOUND = "I could not find that in the documents."
GULLIBLE = "gullible"
"""Part of a model's name: such a one does whatever a document tells it to, so that products can be tried with it."""


@dataclass(frozen=True)
class OfferedTool:
    """A tool of the caller's."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """A tool that the model wants used."""

    name: str
    arguments: str


@dataclass(frozen=True)
class Thought:
    """An answer: text, or calls. `finish` is `stop`, `length` or `tool_calls`."""

    text: str
    calls: tuple[Call, ...] = ()
    finish: str = "stop"


def answer(
    model: str,
    prompt: Prompt,
    *,
    tools: Sequence[OfferedTool] = (),
    must_use: str | None = None,
    schema: Mapping[str, Any] | None = None,
    most_tokens: int | None = None,
) -> Thought:
    """Answer a prompt; the same one in the same way. `must_use`: a tool's name, or empty for any of them."""
    chosen = _chosen(model, prompt, tools, must_use)
    if chosen:
        arguments = json.dumps(filled(chosen.parameters, _material(prompt)), ensure_ascii=False)
        return Thought("", (Call(chosen.name, arguments),), "tool_calls")
    text = _text(model, prompt, schema)
    if most_tokens is not None and count_tokens(text) > most_tokens:
        return Thought("".join(pieces(text)[:most_tokens]), (), "length")
    return Thought(text)


def pieces(text: str) -> list[str]:
    """A text as it is streamed: word by word, each with the space before it."""
    found: list[str] = []
    for word in text.split(" "):
        found.append(word if not found else f" {word}")
    return [one for one in found if one]


def count_tokens(text: str) -> int:
    """The sandbox's tokens: its pieces."""
    return len(pieces(text))


def thinking(prompt: Prompt) -> str:
    """What a reasoning model thinks aloud."""
    return f"The question is about {', '.join(sorted(telling(prompt.question))[:5]) or 'nothing in particular'}."


def _text(model: str, prompt: Prompt, schema: Mapping[str, Any] | None) -> str:
    if schema is not None:
        return json.dumps(filled(schema, _material(prompt)), ensure_ascii=False)
    if GULLIBLE in model and prompt.documents:
        return "\n".join(one.text for one in prompt.documents)
    if prompt.documents:
        found = best_sentences(prompt)
        return " ".join(f"{one} [{document.id}]" for document, one in found) or NOT_FOUND
    return f"You said: {prompt.question}" if prompt.question else "You said nothing."


def _chosen(model: str, prompt: Prompt, tools: Sequence[OfferedTool], must_use: str | None) -> OfferedTool | None:
    if must_use is not None:
        return next((one for one in tools if must_use in ("", one.name)), None)
    if GULLIBLE in model and prompt.documents and tools:
        return tools[0]
    asked = telling(prompt.question)
    about = [(len(asked & telling(f"{one.name.replace('_', ' ')} {one.description}")), one) for one in tools]
    best = max(about, key=lambda pair: pair[0], default=None)
    return best[1] if best and best[0] >= 2 else None


def _material(prompt: Prompt) -> str:
    return "\n".join([*(one.text for one in prompt.documents), prompt.question])
