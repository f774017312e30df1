"""Reading pictures of text. One engine per package file; which one reads is decided for each picture.

RapidOCR (PP-OCR models, carried by its wheel) reads Latin and Chinese script. It knows no Thai, Devanagari or Hebrew
and drops Vietnamese letters: for those Tesseract reads, where Debian's package and its language data are installed.
Where they are not, a picture in such a language is not guessed at: `NoEngine` says what is missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from PIL import Image

from tillhouse.parts.ai.domain.reading import SURE
from tillhouse.parts.ai.providers.reading.layout import Piece
from tillhouse.parts.ai.providers.reading.wire import OcrChoice, Request

_TESSERACTS = frozenset(("th", "vi", "hi", "he"))


@dataclass(frozen=True, slots=True)
class Word:
    """Text that stands together in a line, in pixels from the upper left, and how sure the engine is (0 to 1)."""

    piece: Piece
    confidence: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read of a picture. `confidence` counts what was dropped as a mere guess, too."""

    words: Sequence[Word]
    confidence: float


class NoEngine(Exception):
    """There is text in a picture that nothing here can read; `language` is what it should be in, if that is known."""

    def __init__(self, language: str = "") -> None:
        super().__init__(language)
        self.language = language


class Engine(Protocol):
    """Reads a picture in shades of grey, lines from top to bottom. Words of which it is less sure than `least` are
    guesses.
    """

    @property
    def least(self) -> float: ...

    def read(self, picture: Image.Image) -> Sequence[Word]: ...


@dataclass(frozen=True, slots=True)
class Ocr:
    """The engines that there are. `tesseract` are the languages that Tesseract reads here, none where it is not."""

    languages: tuple[str, ...]
    threads: int
    choice: OcrChoice
    tesseract: frozenset[str]

    @property
    def name(self) -> str:
        """The same as long as a picture would be read by the same means."""
        return f"{self.choice} {' '.join(self.languages)} by {' '.join(sorted(self.tesseract))}"

    def read(self, picture: Image.Image) -> Seen:
        """What stands in a picture. Raises `NoEngine` where it is in a wanted language that nothing here reads: no
        other was wanted, or what another engine made of it is not sure.
        """
        engine = self._engine(picture)
        found = engine.read(picture)
        confidence = _confidence(found)
        missing = [one for one in self.languages if one in _TESSERACTS - self.tesseract]
        if found and missing and (len(missing) == len(self.languages) or confidence < SURE):
            raise NoEngine(missing[0])
        return Seen([word for word in found if word.confidence >= engine.least], confidence)

    def _engine(self, picture: Image.Image) -> Engine:
        wanted = [one for one in self.languages if one in _TESSERACTS & self.tesseract]
        if self.choice == "tesseract":
            return _tesseract(self.languages)
        if not wanted and self.tesseract:
            found = import_module(f"{__name__}.tesseract").script_language(picture)
            wanted = [found] if found else []
        return _tesseract(wanted) if wanted else _rapid(self.threads)


def ocr_of(request: Request) -> Ocr | None:
    """The reading that a request asks for; None for none."""
    if request.ocr == "off":
        return None
    here = frozenset[str]()
    if request.ocr != "rapidocr":
        here = import_module(f"{__name__}.tesseract").languages()
    return Ocr(request.languages, request.threads, request.ocr, here)


def _confidence(words: Sequence[Word]) -> float:
    letters = sum(len(word.piece.text) for word in words)
    return sum(word.confidence * len(word.piece.text) for word in words) / letters if letters else 0.0


def _tesseract(languages: Sequence[str]) -> Engine:
    engine: Engine = import_module(f"{__name__}.tesseract").Tesseract(tuple(languages))
    return engine


def _rapid(threads: int) -> Engine:
    engine: Engine = import_module(f"{__name__}.rapid").engine(threads)
    return engine
