"""The model that is none: it answers with sentences of the material, or says that it found nothing."""

from collections.abc import Sequence

from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.ai.ports.chat import InstalledChat
from tillhouse.parts.ai.providers.extractive.chat import ExtractiveChat

_TITLE = N_("Quotes, built in")
TITLES = {"extractive": _TITLE, "extractive/quotes": _TITLE}


def install(_house: House) -> Sequence[object]:
    """Always there, behind all others."""
    return (InstalledChat(ExtractiveChat(), "quotes", last=True),)
