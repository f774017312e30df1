"""Tesseract, a program, where it is installed: `apt-get install tesseract-ocr tesseract-ocr-tha …`."""

import io
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby, pairwise
from statistics import median

from PIL import Image

from tillhouse.parts.ai.domain.reading import composed
from tillhouse.parts.ai.providers.reading.layout import Piece
from tillhouse.parts.ai.providers.reading.ocr import NoEngine, Word

_DATA = {"en": "eng", "th": "tha", "vi": "vie", "hi": "hin", "he": "heb"}
_SCRIPTS = {"Thai": "th", "Devanagari": "hi", "Hebrew": "he", "Vietnamese": "vi"}
_SURE = 1.0  # Tesseract's own measure of how sure it is of a script
_LEAST = 30.0  # of 100: below it are specks and lines
_SECONDS = 120
_WIDE_GAP = 2.0  # heights of a line between two cells of a row
_UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u9fff]")


@dataclass(frozen=True, slots=True)
class Tesseract:
    """Tesseract for these languages, and English beside them."""

    languages: tuple[str, ...]
    least: float = 0.0  # it drops its guesses itself

    def read(self, picture: Image.Image) -> Sequence[Word]:
        wanted = [_DATA[one] for one in (*self.languages, "en") if one in _DATA]
        data = [one for one in dict.fromkeys(wanted) if one in installed()]
        if not data:
            raise NoEngine
        return list(_words(_run(picture, "-l", "+".join(data), "--psm", "3", "tsv")))


@cache
def installed() -> frozenset[str]:
    """Tesseract's names of the languages it has data of; empty when it is not there."""
    program = shutil.which("tesseract")
    if program is None:
        return frozenset()
    found = subprocess.run([program, "--list-langs"], capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603  # found on PATH, fixed arguments
    return frozenset(line.strip() for line in found.stdout.splitlines()[1:])


def languages() -> frozenset[str]:
    """The languages that it reads here, as the house names them."""
    return frozenset(name for name, data in _DATA.items() if data in installed())


def script_language(picture: Image.Image) -> str:
    """The language that the picture's script is read with; empty for Latin, for others, and when it is not sure."""
    if "osd" not in installed():
        return ""
    answer = _run(picture, "--psm", "0")
    script = re.search(r"^Script: (\w+)", answer, re.MULTILINE)
    sure = re.search(r"^Script confidence: ([\d.]+)", answer, re.MULTILINE)
    language = _SCRIPTS.get(script[1], "") if script else ""
    return language if sure and float(sure[1]) >= _SURE and _DATA.get(language) in installed() else ""


def _run(picture: Image.Image, *arguments: str) -> str:
    encoded = io.BytesIO()
    picture.save(encoded, "PNG")
    program = shutil.which("tesseract")
    assert program, "asked for only where it is installed"
    done = subprocess.run(  # noqa: S603  # found on PATH; the picture comes by its standard input
        [program, "stdin", "stdout", "--dpi", "200", *arguments],
        input=encoded.getvalue(),
        capture_output=True,
        timeout=_SECONDS,
        check=False,
        env={"OMP_THREAD_LIMIT": "1"},
    )
    return done.stdout.decode("utf-8", "replace")


def _words(answer: str) -> Iterator[Word]:
    """Pieces of lines from the table of words: level, page, block, paragraph, line, word, box, confidence, text."""
    rows = [row.split("\t") for row in answer.splitlines()[1:]]
    words = [row for row in rows if len(row) == 12 and row[0] == "5" and row[11].strip() and float(row[10]) >= _LEAST]
    for _, line in groupby(words, key=lambda row: row[2:5]):
        yield from _pieces(list(line))


def _pieces(line: Sequence[Sequence[str]]) -> Iterator[Word]:
    height = median(int(row[9]) for row in line)
    piece: list[Sequence[str]] = []
    for row in line:
        if piece and abs(_gap(piece[-1], row)) > _WIDE_GAP * height:
            yield _word(piece, height)
            piece = []
        piece.append(row)
    yield _word(piece, height)


def _gap(one: Sequence[str], other: Sequence[str]) -> int:
    """Pixels between two words; in a line from right to left the second stands left of the first."""
    left, right = sorted((one, other), key=lambda row: int(row[6]))
    return int(right[6]) - int(left[6]) - int(left[8])


def _word(rows: Sequence[Sequence[str]], height: float) -> Word:
    text = rows[0][11]
    for before, row in pairwise(rows):
        close = _gap(before, row) < 0.45 * height
        joined = close and _UNSPACED.match(before[11][-1]) and _UNSPACED.match(row[11][0])
        text += row[11] if joined else f" {row[11]}"
    left, top = min(int(row[6]) for row in rows), min(int(row[7]) for row in rows)
    right, bottom = max(int(row[6]) + int(row[8]) for row in rows), max(int(row[7]) + int(row[9]) for row in rows)
    confidence = sum(float(row[10]) for row in rows) / len(rows) / 100
    return Word(Piece(composed(text), left, top, right, bottom, float(height)), confidence)
