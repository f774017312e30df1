"""Identity speaks English and Hindi, in pages and in messages."""

from pathlib import Path

import pytest

import tillhouse.parts.channels
import tillhouse.parts.files
import tillhouse.parts.identity
from tillhouse.kernel.web.catalogues import sentences, untranslated

PARTS = [
    Path(str(part.__file__)).parent
    for part in (tillhouse.parts.identity, tillhouse.parts.channels, tillhouse.parts.files)
]


@pytest.mark.parametrize("folder", PARTS, ids=lambda folder: folder.name)
def test_every_sentence_is_there_in_hindi(folder: Path) -> None:
    assert len(sentences(folder)) > 0
    assert list(untranslated(folder, folder / "locale", "hi")) == []
