"""PDF, by pdfium: words where they stand, what a reader cannot see kept apart, scanned pages by OCR.

Whether text can be seen is judged by the picture of the page: where a line should be and all of the picture is one
colour, nobody sees it, be it white on white, transparent, covered or drawn outside.
"""

import ctypes
import hashlib
import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pypdfium2 as pdfium  # type: ignore[import-untyped]  # it has no types
from PIL import Image
from pypdfium2 import raw

from tillhouse.parts.ai.domain.reading import Page, Unreadable, composed, page_of
from tillhouse.parts.ai.providers.reading.formats import Known, Pages
from tillhouse.parts.ai.providers.reading.layout import Piece, blocks
from tillhouse.parts.ai.providers.reading.ocr import NoEngine, Ocr, ocr_of
from tillhouse.parts.ai.providers.reading.wire import Request

_LOOKED_AT = 1_200  # pixels of the longer side of the picture that lines are looked for in
_CONTRAST = 14  # of 255: less than that is one colour
_SMALLEST_POINTS = 2.5
_LETTERS_OF_A_PAGE = 12  # a page with fewer of them and a picture was scanned
_GARBLED = 0.3  # of its letters without a meaning, a page is better read as a picture
_OCR_DPI = 200
_DEVICE = 100_000  # to which coordinates of the page are mapped, whichever way it is turned
_BOLD = 600
_WIDE_GAP = 0.8  # letters' heights between two cells of a row
_SPACE = 0.2  # letters' heights that part two words, where no space is written
_LEFTWARD = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
_HYPHENS = ("\x02", "\ufffe", "\u00ad")


def read(content: bytes, request: Request) -> tuple[int, Pages]:
    """Every page in order."""
    try:
        document = pdfium.PdfDocument(content)
        count = len(document)
    except pdfium.PdfiumError as error:
        locked = raw.FPDF_GetLastError() == raw.FPDF_ERR_PASSWORD or "assword" in str(error)
        raise Unreadable("encrypted" if locked else "not_a_document") from error
    if count > request.limits.pages:
        raise Unreadable("too_many_pages", most=request.limits.pages)
    return count, _pages(document, count, request)


def _pages(document: pdfium.PdfDocument, count: int, request: Request) -> Iterator[Page | Known]:
    ocr = ocr_of(request)
    title = (document.get_metadata_value("Title") or "")[:200]
    for number in range(1, count + 1):
        try:
            page = document[number - 1]
            yield _page(page, number, title if number == 1 else "", ocr, request)
            page.close()
        except (pdfium.PdfiumError, ValueError, MemoryError, OSError) as error:
            raise Unreadable("damaged", number) from error


@dataclass(slots=True)
class _Run:
    """Letters that stand together in a line, in the page's own coordinates (y up)."""

    letters: list[str] = field(default_factory=list)
    left: float = 0.0
    bottom: float = 0.0
    right: float = 0.0
    top: float = 0.0
    size: float = 0.0
    bold: bool = False
    broken: bool = False
    colour: int = 0

    def add(self, letter: str, box: tuple[float, float, float, float], size: float, *, bold: bool) -> None:
        left, bottom, right, top = box
        if self.right > self.left and left - self.right > _SPACE * size and self.letters[-1:] != [" "]:
            self.letters.append(" ")
        if not self.letters or self.right == self.left:
            self.left, self.bottom, self.right, self.top, self.size, self.bold = left, bottom, right, top, size, bold
        self.left, self.right = min(self.left, left), max(self.right, right)
        self.bottom, self.top = min(self.bottom, bottom), max(self.top, top)
        self.bold = self.bold and bold
        self.letters.append(letter)


def _page(page: pdfium.PdfPage, number: int, title: str, ocr: Ocr | None, request: Request) -> Page | Known:
    width, height = page.get_size()
    if width <= 0 or height <= 0:
        raise Unreadable("damaged", number)
    pieces = [
        piece for run in _runs(page, request.limits.page_characters) if (piece := _piece(page, run, (width, height)))
    ]
    shown, hidden = _seen(page, pieces, (width, height), request.limits.pixels)
    letters = "".join(piece.text for piece in shown)
    if ocr and (len(letters) < _LETTERS_OF_A_PAGE or _garbled(letters) > _GARBLED):
        scanned = _scanned(page, number, ocr, request, title)
        if scanned is not None:
            return scanned
    return page_of(number, blocks(shown, width, height), title=title, hidden=hidden)


def _runs(page: pdfium.PdfPage, most: int) -> Iterator[_Run]:
    text = page.get_textpage()
    count = min(raw.FPDFText_CountChars(text), most)
    sides = [ctypes.c_double() for _ in range(4)]
    run = _Run()
    for index in range(count):
        letter = _letter(text, index)
        if letter in ("\r", "\n"):
            if run.letters:
                yield run
            run = _Run()
            continue
        if letter in _HYPHENS:
            run.broken = True
            continue
        if raw.FPDFText_IsGenerated(text, index) == 1:  # a space that pdfium put between words
            run.letters += [" "] if run.letters else []
            continue
        raw.FPDFText_GetCharBox(text, index, *(ctypes.byref(sides[side]) for side in (0, 2, 1, 3)))
        box = (sides[0].value, sides[1].value, sides[2].value, sides[3].value)
        size = _size(text, index, box)
        colour = _colour(text, index)
        if run.letters and (colour != run.colour or _leftward_word(run, letter) or _far(run, box, size)):
            yield run
            run = _Run()
        run.broken, run.colour = False, colour
        run.add(letter, box, size, bold=raw.FPDFText_GetFontWeight(text, index) >= _BOLD)
    if run.letters:
        yield run
    text.close()


def _letter(text: pdfium.PdfTextPage, index: int) -> str:
    code = raw.FPDFText_GetUnicode(text, index)
    return chr(code) if code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else "\ufffd"


def _colour(text: pdfium.PdfTextPage, index: int) -> int:
    parts = [ctypes.c_uint() for _ in range(4)]
    raw.FPDFText_GetFillColor(text, index, *(ctypes.byref(part) for part in parts))
    red, green, blue, alpha = (part.value for part in parts)
    return red << 24 | green << 16 | blue << 8 | alpha


def _leftward_word(run: _Run, letter: str) -> bool:
    """Whether a word written from right to left begins: each is a piece, since pdfium leaves their order to us."""
    return run.letters[-1] == " " and bool(_LEFTWARD.match(letter) or _LEFTWARD.match(run.letters[0]))


def _size(text: pdfium.PdfTextPage, index: int, box: tuple[float, float, float, float]) -> float:
    """The height of the font as it is drawn: its nominal size may be 1, scaled by a matrix."""
    nominal = float(raw.FPDFText_GetFontSize(text, index))
    matrix = raw.FS_MATRIX()
    if raw.FPDFText_GetMatrix(text, index, ctypes.byref(matrix)):
        scale = math.hypot(matrix.c, matrix.d)
        if scale > 0:
            return nominal * scale
    return max(nominal, box[3] - box[1])


def _far(run: _Run, box: tuple[float, float, float, float], size: float) -> bool:
    """Whether a letter begins another piece: another line, or a cell further to the right."""
    left, bottom, right, top = box
    if left == right or run.left == run.right:
        return False
    overlap = min(run.top, top) - max(run.bottom, bottom)
    if overlap < -0.6 * size:
        return True
    blank = bool(run.letters) and run.letters[-1] == " "
    return left - run.right > _WIDE_GAP * size or (blank and left < run.left - size)


def _piece(page: pdfium.PdfPage, run: _Run, size: tuple[float, float]) -> Piece | None:
    """The run with its box as the page is shown, turned and cut; None for blanks."""
    text = composed("".join(run.letters).replace("\x00", "")).strip()
    if not text:
        return None
    corners = [_shown_at(page, x, y, size) for x, y in ((run.left, run.top), (run.right, run.bottom))]
    (x0, y0), (x1, y1) = corners
    return Piece(
        " ".join(text.split()), min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1), run.size, run.bold, run.broken
    )


def _shown_at(page: pdfium.PdfPage, x: float, y: float, size: tuple[float, float]) -> tuple[float, float]:
    at_x, at_y = ctypes.c_int(), ctypes.c_int()
    raw.FPDF_PageToDevice(page, 0, 0, _DEVICE, _DEVICE, 0, x, y, ctypes.byref(at_x), ctypes.byref(at_y))
    return at_x.value / _DEVICE * size[0], at_y.value / _DEVICE * size[1]


def _seen(
    page: pdfium.PdfPage, pieces: Sequence[Piece], size: tuple[float, float], pixels: int
) -> tuple[list[Piece], list[str]]:
    """What a reader sees, and the text of what they do not."""
    if not pieces:
        return [], []
    scale = _LOOKED_AT / max(size)
    picture = _picture(page, scale, pixels)
    shown, hidden = [], []
    for piece in pieces:
        if piece.size < _SMALLEST_POINTS or not _has_contrast(picture, piece, scale):
            hidden.append(piece.text)
        else:
            shown.append(piece)
    return shown, hidden


def _has_contrast(picture: Image.Image, piece: Piece, scale: float) -> bool:
    left, top = max(0, int(piece.left * scale) - 1), max(0, int(piece.top * scale) - 1)
    right, bottom = min(picture.width, int(piece.right * scale) + 2), min(picture.height, int(piece.bottom * scale) + 2)
    if right - left < 2 or bottom - top < 2:
        return False  # outside the page
    return _contrast(picture.crop((left, top, right, bottom))) >= _CONTRAST


def _contrast(grey: Image.Image) -> float:
    darkest, lightest = grey.getextrema()
    assert isinstance(darkest, int | float), "one number in shades of grey"
    assert isinstance(lightest, int | float), "one number in shades of grey"
    return lightest - darkest


def _picture(page: pdfium.PdfPage, scale: float, pixels: int) -> Image.Image:
    width, height = page.get_size()
    scale = min(scale, (pixels / max(1.0, width * height)) ** 0.5)
    found: Image.Image = page.render(scale=scale).to_pil()
    return found.convert("L")


def _garbled(letters: str) -> float:
    """How much of a text has no meaning: fonts without a map to Unicode give private or replacement characters."""
    odd = sum(1 for letter in letters if letter == "\ufffd" or unicodedata.category(letter) in ("Co", "Cn", "Cc"))
    return odd / len(letters) if letters else 0.0


def _scanned(page: pdfium.PdfPage, number: int, ocr: Ocr, request: Request, title: str) -> Page | Known | None:
    """The page read from its picture; None when that is blank."""
    scale = min(_OCR_DPI / 72, 3_000 / max(page.get_size()))
    picture = _picture(page, scale, request.limits.pixels)
    if _contrast(picture) < _CONTRAST:
        return None
    return read_picture(picture, number, ocr, request, title=title)


def read_picture(picture: Image.Image, number: int, ocr: Ocr, request: Request, *, title: str = "") -> Page | Known:
    """A picture of a page, read; or that it was read before. Raises `Unreadable` where nothing here can read it."""
    fingerprint = hashlib.sha256(f"{ocr.name} {picture.size} ".encode() + picture.tobytes()).hexdigest()[:32]
    if fingerprint in request.known:
        return Known(number, fingerprint)
    try:
        seen = ocr.read(picture)
    except NoEngine as lacking:
        raise Unreadable("_".join(filter(None, ("needs_tesseract", lacking.language))), number) from lacking
    drafts = blocks([word.piece for word in seen.words], float(picture.width), float(picture.height))
    return page_of(
        number,
        drafts,
        source="ocr",
        title=title,
        confidence=round(seen.confidence, 4),
        fingerprint=fingerprint,
    )
