"""Vectors made on this machine, by sentence-transformers, where that is installed and a folder is named."""

from collections.abc import Sequence
from pathlib import Path

from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.ai.ports.embedding import InstalledEmbedding
from tillhouse.parts.ai.providers.own_weights import require_weights
from tillhouse.parts.ai.providers.sentences.embedding import LIBRARY, SentenceModel
from tillhouse.parts.ai.providers.sentences.settings import SentencesSettings

TITLES = {"sentences": N_("On this machine")}


def install(house: House) -> Sequence[object]:
    """The model. Raises `SettingsError` when a folder is named and something is missing."""
    settings = house.settings_of(SentencesSettings)
    if not settings.folder:
        return ()
    require_weights(
        "SENTENCES_FOLDER", settings.folder, library=LIBRARY, package="sentence-transformers", extra="sentences"
    )
    return (InstalledEmbedding(SentenceModel(settings), Path(settings.folder).name or "local"),)
