"""The house speaks English and Hindi completely: every sentence of every module."""

from pathlib import Path

import pytest

import tillhouse
from tillhouse.catalogue import CATALOGUE
from tillhouse.kernel.web.catalogues import untranslated

FOLDERS = {"apps": Path(tillhouse.__file__).parent / "apps", **{module.name: module.folder for module in CATALOGUE}}


@pytest.mark.parametrize("name", FOLDERS)
def test_every_sentence_of_a_module_exists_in_hindi(name: str) -> None:
    assert list(untranslated(FOLDERS[name], FOLDERS[name] / "locale", "hi")) == []
