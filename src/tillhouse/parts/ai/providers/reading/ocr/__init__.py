"""Reading pictures of text. One engine per package file; which one reads is decided for each picture.

RapidOCR (PP-OCR models, carried by its wheel) reads Latin and Chinese script. It knows no Thai, Devanagari or Hebrew
and drops Vietnamese accents: for those Tesseract reads, where Debian's package and its language data are installed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from PIL import Image

from tillhouse.parts.ai.providers.reading.layout import Piece
from tillhouse.parts.ai.providers.reading.wire import Request

_TESSERACTS = frozenset(("th", "vi", "hi", "he"))


@dataclass(frozen=True, slots=True)
class Word:
    """Text that stands together in a line, in pixels from the upper left, and how sure the engine is (0 to 1)."""

    piece: Piece
    confidence: float


class Ocr(Protocol):
    """Reads a picture in shades of grey, lines from top to bottom."""

    @property
    def name(self) -> str: ...

    def read(self, picture: Image.Image) -> Sequence[Word]: ...


@dataclass(frozen=True, slots=True)
class Either:
    """RapidOCR, but Tesseract for the scripts that only it knows."""

    languages: tuple[str, ...]
    threads: int
    tesseract: bool

    @property
    def name(self) -> str:
        return f"auto {' '.join(self.languages)} {self.tesseract}"

    def read(self, picture: Image.Image) -> Sequence[Word]:
        if not self.tesseract:
            return _rapid(self.threads).read(picture)
        tesseract = import_module(f"{__name__}.tesseract")
        languages = [one for one in self.languages if one in _TESSERACTS]
        if not languages:
            languages = [found] if (found := tesseract.script_language(picture)) else []
        engine: Ocr = tesseract.Tesseract(tuple(languages)) if languages else _rapid(self.threads)
        return engine.read(picture)


def ocr_of(request: Request) -> Ocr | None:
    """The engine that a request asks for; None for none."""
    if request.ocr == "off":
        return None
    tesseract = import_module(f"{__name__}.tesseract") if request.ocr != "rapidocr" else None
    if tesseract and request.ocr == "tesseract":
        only: Ocr = tesseract.Tesseract(request.languages)
        return only
    return Either(request.languages, request.threads, bool(tesseract and tesseract.installed()))


def _rapid(threads: int) -> Ocr:
    engine: Ocr = import_module(f"{__name__}.rapid").engine(threads)
    return engine
