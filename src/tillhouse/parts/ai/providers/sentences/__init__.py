"""Vectors made on this machine, by sentence-transformers, where that is installed and a folder is named."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from tillhouse.kernel.house import House
from tillhouse.kernel.settings import SettingsError
from tillhouse.kernel.text import N_
from tillhouse.parts.ai.ports.embedding import InstalledEmbedding
from tillhouse.parts.ai.providers.sentences.embedding import LIBRARY, SentenceModel
from tillhouse.parts.ai.providers.sentences.settings import SentencesSettings

TITLES = {"sentences": N_("On this machine")}


def install(house: House) -> Sequence[object]:
    """The model. Raises `SettingsError` when a folder is named and something is missing."""
    settings = house.settings_of(SentencesSettings)
    if not settings.folder:
        return ()
    if not Path(settings.folder).is_dir():
        raise SettingsError("SENTENCES_FOLDER: there is no folder {folder}.", folder=settings.folder)
    if not find_spec(LIBRARY):
        raise SettingsError("SENTENCES_FOLDER is set: install sentence-transformers beside Tillhouse, or empty it.")
    return (InstalledEmbedding(SentenceModel(settings), Path(settings.folder).name or "local"),)
