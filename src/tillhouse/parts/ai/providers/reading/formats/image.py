"""Pictures: upright, as a person would look at them, read by OCR. Each frame of a TIFF is a page."""

from collections.abc import Iterator
from io import BytesIO

from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError
from pillow_heif import register_heif_opener

from tillhouse.parts.ai.domain.reading import Page, Unreadable
from tillhouse.parts.ai.providers.reading.formats import Known, Pages
from tillhouse.parts.ai.providers.reading.formats.pdf import read_picture
from tillhouse.parts.ai.providers.reading.ocr import ocr_of
from tillhouse.parts.ai.providers.reading.wire import Request

_LONGEST_SIDE = 3_000


def read(content: bytes, request: Request) -> tuple[int, Pages]:
    """One page, or one for each frame of a TIFF."""
    register_heif_opener()
    try:
        picture = Image.open(BytesIO(content))
        frames = getattr(picture, "n_frames", 1) if picture.format == "TIFF" else 1
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise Unreadable("not_a_document") from error
    if picture.width * picture.height > request.limits.pixels:
        raise Unreadable("too_large")
    if frames > request.limits.pages:
        raise Unreadable("too_many_pages", most=request.limits.pages)
    return frames, _pages(picture, frames, request)


def _pages(picture: Image.Image, frames: int, request: Request) -> Iterator[Page | Known]:
    ocr = ocr_of(request)
    if ocr is None:
        raise Unreadable("empty")
    for number, frame in enumerate(ImageSequence.Iterator(picture), start=1):
        if number > frames:
            return
        try:
            yield read_picture(_upright(frame), number, ocr, request)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise Unreadable("damaged", number) from error


def _upright(frame: Image.Image) -> Image.Image:
    turned = ImageOps.exif_transpose(frame)
    if turned.mode in ("RGBA", "LA", "P"):  # what is transparent lies on paper
        rgba = turned.convert("RGBA")
        paper = Image.new("RGBA", rgba.size, "white")
        turned = Image.alpha_composite(paper, rgba)
    plain = turned.convert("L")
    plain.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    return plain
