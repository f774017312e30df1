"""Whisper on this machine, by faster-whisper, where that is installed and a folder of weights is named."""

from collections.abc import Sequence

from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.ai.ports.speech import InstalledTranscription
from tillhouse.parts.ai.providers.own_weights import require_weights
from tillhouse.parts.ai.providers.whisper.listener import LIBRARY, WhisperListener
from tillhouse.parts.ai.providers.whisper.settings import WhisperSettings

_TITLE = N_("Whisper on this machine")
TITLES = {"whisper": _TITLE, "whisper/local": _TITLE}


def install(house: House) -> Sequence[object]:
    """The listener. Raises `SettingsError` when a folder is named and something is missing."""
    settings = house.settings_of(WhisperSettings)
    if not settings.folder:
        return ()
    require_weights("WHISPER_FOLDER", settings.folder, library=LIBRARY, package="faster-whisper", extra="whisper")
    return (InstalledTranscription(WhisperListener(settings), "local"),)
