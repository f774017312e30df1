"""The port of models that answer."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from tillhouse.parts.ai.domain.chat import ChatEvent, ChatRequest


class ChatEndpoint(Protocol):
    """Somewhere that models answer. Its name is the first part of `endpoint/model`."""

    @property
    def name(self) -> str: ...

    def stream(self, model: str, request: ChatRequest, silence: float) -> AsyncGenerator[ChatEvent, None]:
        """The answer as it comes: `Begun` once accepted, pieces, and `Ended` last, or else `ModelFailure`.

        Closing the generator hangs up. `silence` is how many seconds nothing may come. Never repeats a call, and must
        not be called in a transaction. Raises `ModelFailure` alone: what could not be read is `nonsense`, what broke
        off after `Begun` is `cut`.
        """
        ...


@dataclass(frozen=True, slots=True)
class InstalledChat:
    """An adapter, as it is provided. `default_model` is called where nobody names one; empty: never by itself.

    `last`: it stands behind all others (the default that writes nothing).
    """

    endpoint: ChatEndpoint
    default_model: str = ""
    last: bool = False
