"""Papers through Pillow and pdfium: every page is drawn anew as a JPEG of its pixels alone.

Loaded when the first paper comes. Sizes are asked before anything is decoded, and one paper is drawn at a time: pdfium
takes one caller, and a large photo takes some 150 MB while it is decoded.
"""

import io
import threading
from collections.abc import Sequence

import pypdfium2  # type: ignore[import-untyped]  # it has no types
from PIL import Image, ImageOps, UnidentifiedImageError
from pillow_heif import register_heif_opener

from tillhouse.kernel.errors import FieldError, InvalidInput
from tillhouse.kernel.text import N_

register_heif_opener(thumbnails=False)

_READ = ("JPEG", "PNG", "WEBP", "HEIF")
_MOST_PIXELS = 60_000_000
_LONGEST = 2200  # pixels of the longer side that are kept: the small print of a card stays readable
_SHORTEST = 320  # less than this shows no text
_MOST_PAGES = 6
_QUALITY = 85
_ONE_AT_A_TIME = threading.Lock()
_UNREADABLE = (
    UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, MemoryError,
    pypdfium2.PdfiumError,
)  # fmt: skip


def pages_of(content: bytes) -> Sequence[bytes]:
    """The pages of a photo (JPEG, PNG, WebP, HEIC) or of a PDF, as JPEG. Raises `InvalidInput`."""
    try:
        with _ONE_AT_A_TIME:
            return _of_pdf(content) if content[:1024].lstrip().startswith(b"%PDF") else [_of_picture(content)]
    except Image.DecompressionBombError:
        raise _too_large() from None
    except _UNREADABLE:
        raise _refused("unreadable", N_("We cannot read this file. Send a photo (JPEG, PNG, HEIC) or a PDF.")) from None


def _of_picture(content: bytes) -> bytes:
    with Image.open(io.BytesIO(content), formats=_READ) as image:
        if image.width * image.height > _MOST_PIXELS:
            raise _too_large()
        if min(image.size) < _SHORTEST:
            raise _refused("too_small", N_("This picture is too small to be read: send the photo as it was taken."))
        image.draft("RGB", (_LONGEST, _LONGEST))  # JPEG alone can decode less than all
        small = image.convert("RGBA") if image.mode in ("1", "P", "PA") else image
        small.thumbnail((_LONGEST, _LONGEST), Image.Resampling.LANCZOS)  # before anything copies it
        return _written(ImageOps.exif_transpose(small))


def _of_pdf(content: bytes) -> list[bytes]:
    document = pypdfium2.PdfDocument(content)
    try:
        if not 0 < len(document) <= _MOST_PAGES:
            raise _refused("too_many_pages", N_("Send a PDF of at most 6 pages: those that are asked for."))
        return [_page(document, number) for number in range(len(document))]
    finally:
        document.close()


def _page(document: pypdfium2.PdfDocument, number: int) -> bytes:
    page = document[number]
    width, height = page.get_size()  # points, 72 to the inch
    scale = min(2.5, _LONGEST / max(width, height, 1))
    bitmap = page.render(scale=scale, may_draw_forms=False)
    return _written(bitmap.to_pil())


def _written(image: Image.Image) -> bytes:
    flat = Image.new("RGB", image.size, "white")
    rgba = image.convert("RGBA")
    flat.paste(rgba, mask=rgba.getchannel("A"))
    out = io.BytesIO()
    flat.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


def _too_large() -> InvalidInput:
    return _refused("too_many_pixels", N_("This picture is too large: send one of less than 60 megapixels."))


def _refused(code: str, message: str) -> InvalidInput:
    return InvalidInput(message, errors=[FieldError("/file", code, message)])
