"""Whisper on this machine, by faster-whisper, where that is installed and a folder of weights is named."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from tillhouse.kernel.house import House
from tillhouse.kernel.settings import SettingsError
from tillhouse.kernel.text import N_
from tillhouse.parts.ai.ports.speech import InstalledTranscription
from tillhouse.parts.ai.providers.whisper.listener import LIBRARY, WhisperListener
from tillhouse.parts.ai.providers.whisper.settings import WhisperSettings

_TITLE = N_("Whisper on this machine")
TITLES = {"whisper": _TITLE, "whisper/local": _TITLE}


def install(house: House) -> Sequence[object]:
    """The listener. Raises `SettingsError` when a folder is named and something is missing."""
    settings = house.settings_of(WhisperSettings)
    if not settings.folder:
        return ()
    if not Path(settings.folder).is_dir():
        raise SettingsError("WHISPER_FOLDER: there is no folder {folder}.", folder=settings.folder)
    if not find_spec(LIBRARY):
        raise SettingsError("WHISPER_FOLDER is set: install faster-whisper beside Tillhouse, or leave it empty.")
    return (InstalledTranscription(WhisperListener(settings), "local"),)
