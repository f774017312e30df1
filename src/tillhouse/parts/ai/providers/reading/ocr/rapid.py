"""RapidOCR: PP-OCR's small models on ONNX Runtime, from the wheel. Loading takes about a second and 300 MB."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from PIL import Image
from rapidocr import RapidOCR
from rapidocr.utils.output import RapidOCROutput

from tillhouse.parts.ai.providers.reading.layout import Piece
from tillhouse.parts.ai.providers.reading.ocr import Word


@dataclass(frozen=True, slots=True)
class Rapid:
    """The loaded engine."""

    recognise: RapidOCR
    least: float = 0.5

    def read(self, picture: Image.Image) -> Sequence[Word]:
        found = self.recognise(picture.convert("RGB"))
        assert isinstance(found, RapidOCROutput), "asked for all three steps"
        if found.boxes is None or found.txts is None or found.scores is None:
            return []
        words = []
        for box, text, score in zip(found.boxes, found.txts, found.scores, strict=True):
            xs, ys = [float(x) for x, _ in box], [float(y) for _, y in box]
            height = max(ys) - min(ys)
            if text.strip():
                piece = Piece(text.strip(), min(xs), min(ys), max(xs), max(ys), height * 0.8)
                words.append(Word(piece, float(score)))
        return in_lines(words)


@cache
def engine(threads: int) -> Rapid:
    """The engine with at most so many threads, loaded once."""
    parameters = {
        "Global.log_level": "critical",
        "EngineConfig.onnxruntime.intra_op_num_threads": threads,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    }
    return Rapid(RapidOCR(params=parameters))


def in_lines(words: Sequence[Word]) -> list[Word]:
    """Line by line from the top, each from the left."""
    lines: list[list[Word]] = []
    for word in sorted(words, key=lambda one: (one.piece.top + one.piece.bottom) / 2):
        middle = (word.piece.top + word.piece.bottom) / 2
        if lines and abs(_middle(lines[-1]) - middle) < 0.5 * word.piece.size:
            lines[-1].append(word)
        else:
            lines.append([word])
    return [word for line in lines for word in sorted(line, key=lambda one: one.piece.left)]


def _middle(line: Sequence[Word]) -> float:
    return sum((word.piece.top + word.piece.bottom) / 2 for word in line) / len(line)
