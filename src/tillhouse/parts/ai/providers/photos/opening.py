"""Photos opened under one roof: upright, and no larger than they are needed."""

from io import BytesIO

from PIL import Image, ImageOps, UnidentifiedImageError
from pillow_heif import register_heif_opener

register_heif_opener()

_MOST_PIXELS = 100_000_000


def upright(content: bytes, mode: str, longest: int | None = None) -> Image.Image | None:
    """The photo as its camera was held, with at most `longest` pixels a side; None for no picture or an enormous one.

    A JPEG is decoded small where it is wanted small: a quarter of the time and a sixteenth of the memory.
    """
    try:
        with Image.open(BytesIO(content)) as photo:
            if photo.width * photo.height > _MOST_PIXELS:
                return None
            if longest:
                photo.draft(mode, (longest, longest))
            found = ImageOps.exif_transpose(photo).convert(mode)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    if longest:
        found.thumbnail((longest, longest))
    return found
