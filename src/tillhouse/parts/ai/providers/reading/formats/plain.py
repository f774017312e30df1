"""Plain text, in whatever encoding it was written."""

import re
from collections.abc import Iterator

from tillhouse.parts.ai.domain.reading import Draft, Page, page_of
from tillhouse.parts.ai.providers.reading.formats import Pages
from tillhouse.parts.ai.providers.reading.wire import Request

_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"),
)  # fmt: skip
# Encodings of one script each, with the letters that such a text is made of. Order decides between equals.
_TONED = "[đơưăâêôĐƠƯĂÂÊÔaeiouyAEIOUY][\u0300\u0301\u0303\u0309\u0323]|[đơưăâêôĐƠƯĂÂÊÔàáèéìíòóùúýÀÁÈÉÌÍÒÓÙÚÝ]"
_CANDIDATES = (
    ("shift_jis", re.compile("[\u3040-\u30ff\u4e00-\u9fff。、]")),
    ("euc_kr", re.compile("[\uac00-\ud7a3]")),
    ("gb18030", re.compile("[\u4e00-\u9fff，。]")),
    ("cp874", re.compile("[\u0e01-\u0e4e]")),
    ("cp1255", re.compile("[\u05d0-\u05ea]")),
    ("cp1258", re.compile(_TONED)),
    ("cp1252", re.compile("[à-öø-ÿÀ-ÖØ-Ý€‘’“”–—…£©®°«»]")),
)
_FOREIGN = re.compile("[^\x00-\x7f]")
_PARAGRAPHS = re.compile(r"\n[ \t]*\n+")
_SAMPLE = 20_000


def read(content: bytes, request: Request) -> tuple[int, Pages]:
    """Paragraphs between empty lines; a form feed begins a page."""
    sheets = decode(content).replace("\r\n", "\n").replace("\r", "\n").split("\f")
    return len(sheets), iter(list(_pages(sheets)))


def decode(content: bytes) -> str:
    """The text of bytes: by their mark, as UTF-8, or in the encoding in which most of it is letters of its script."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    if b"\x00" in content[:200]:  # no text of single bytes has zeros; every second byte of Latin text in UTF-16 is one
        return content.decode("utf-16-le" if content[1:2] == b"\x00" else "utf-16-be", "replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode(_guess(content[:_SAMPLE]), "replace")


def _guess(sample: bytes) -> str:
    scores = [(_share(sample, encoding, letters), encoding) for encoding, letters in _CANDIDATES]
    best = max(score for score, _ in scores)
    return next(encoding for score, encoding in scores if score == best)


def _share(sample: bytes, encoding: str, letters: re.Pattern[str]) -> float:
    """How much of what is not ASCII is letters of the encoding's script."""
    text = sample.decode(encoding, "replace")
    foreign = len(_FOREIGN.findall(text))
    return sum(len(found) for found in letters.findall(text)) / foreign - text.count("\ufffd") if foreign else 0.0


def _pages(sheets: list[str]) -> Iterator[Page]:
    for number, sheet in enumerate(sheets, start=1):
        yield page_of(number, [Draft("paragraph", part) for part in _PARAGRAPHS.split(sheet)])
