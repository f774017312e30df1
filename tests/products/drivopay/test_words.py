import re
from pathlib import Path

from tillhouse.kernel.web.catalogues import catalogue_of, sentences, untranslated
from tillhouse.products import drivopay

FOLDER = Path(drivopay.__file__).parent
LOCALE = FOLDER / "locale"


def test_every_sentence_is_there_in_hindi() -> None:
    assert len(sentences(FOLDER)) > 150
    assert list(untranslated(FOLDER, LOCALE, "hi")) == []


def test_a_translation_keeps_the_fields_of_its_sentence() -> None:
    catalogue = catalogue_of(LOCALE, "hi")
    field = re.compile(r"\{\w+\}|%\(\w+\)s")
    for message in catalogue:
        if isinstance(message.id, str) and message.id:
            assert sorted(field.findall(message.id)) == sorted(field.findall(str(message.string))), message.id
