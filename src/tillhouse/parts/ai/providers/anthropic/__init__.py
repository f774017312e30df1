"""Anthropic: Messages, in pieces."""

from collections.abc import Sequence

from tillhouse.kernel.health import answers_at
from tillhouse.kernel.house import House
from tillhouse.parts.ai.ports.chat import InstalledChat
from tillhouse.parts.ai.providers.anthropic.chat import AnthropicChat
from tillhouse.parts.ai.providers.anthropic.settings import AnthropicSettings

TITLES = {"anthropic": "Anthropic"}
_REAL = "https://api.anthropic.com"


def install(house: House) -> Sequence[object]:
    """The endpoint, where there is a key."""
    settings = house.settings_of(AnthropicSettings)
    if not settings.api_key:
        return ()
    sandbox = house.settings.sandbox_url.rstrip("/")
    base = (settings.base_url or (f"{sandbox}/anthropic" if sandbox else _REAL)).rstrip("/")
    chat = AnthropicChat(house.outbound, base, settings.api_key)
    return (InstalledChat(chat, settings.chat_model), answers_at(chat.name, base))
