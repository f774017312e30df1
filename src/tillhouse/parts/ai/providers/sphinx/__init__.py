"""PocketSphinx, from its wheel (Python 3.13 and older): hears what a grammar allows, and whether anybody speaks."""

from collections.abc import Sequence
from importlib.util import find_spec

from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.ai.ports.sound import InstalledVoiceGate
from tillhouse.parts.ai.ports.speech import InstalledTranscription
from tillhouse.parts.ai.providers.sphinx.gate import SphinxGate
from tillhouse.parts.ai.providers.sphinx.listener import SphinxListener
from tillhouse.parts.ai.providers.sphinx.settings import SphinxSettings

_TITLE = N_("Listening for known words, built in")
TITLES = {"sphinx": _TITLE, "sphinx/grammar": _TITLE}


def install(house: House) -> Sequence[object]:
    """The gate, and the listener behind all others; nothing where the library is missing."""
    if not find_spec("pocketsphinx"):
        return ()
    listener = (InstalledTranscription(SphinxListener(), "grammar", last=True),)
    return (InstalledVoiceGate(SphinxGate()), *(listener if house.settings_of(SphinxSettings).enabled else ()))
