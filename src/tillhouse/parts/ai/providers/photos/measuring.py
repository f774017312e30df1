"""What can be measured of a photo without a model."""

from io import BytesIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from pillow_heif import register_heif_opener

from tillhouse.parts.ai.domain.photos import Facts

register_heif_opener()

_SIDE = 512
_MOST_PIXELS = 100_000_000


def measure(content: bytes) -> Facts | None:
    """Size, sharpness, light and a hash that resembles that of pictures of the same moment; None for no picture."""
    grey = grey_of(content)
    if grey is None:
        return None
    small = grey.copy()
    small.thumbnail((_SIDE, _SIDE))
    pixels = np.asarray(small, dtype=np.float64)
    return Facts(
        width=grey.width,
        height=grey.height,
        sharpness=_sharpness(pixels),
        dark=float((pixels < 30).mean()),
        bright=float((pixels > 250).mean()),
        spread=float(pixels.std()),
        hash=_hash(grey),
    )


def grey_of(content: bytes) -> Image.Image | None:
    """The photo upright and in shades of grey; None for what is no picture, or an enormous one."""
    try:
        with Image.open(BytesIO(content)) as photo:
            if photo.width * photo.height > _MOST_PIXELS:
                return None
            return ImageOps.exif_transpose(photo).convert("L")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _sharpness(pixels: np.ndarray) -> float:
    """Variance of the Laplacian: edges make it large, blur makes it small."""
    if min(pixels.shape) < 3:
        return 0.0
    inner = pixels[1:-1, 1:-1]
    around = pixels[:-2, 1:-1] + pixels[2:, 1:-1] + pixels[1:-1, :-2] + pixels[1:-1, 2:]
    return float((around - 4 * inner).var())


def _hash(grey: Image.Image) -> int:
    """Difference hash: for each of 8 x 8 places, whether it gets brighter to the right."""
    pixels = np.asarray(grey.resize((9, 8), Image.Resampling.LANCZOS), dtype=np.int16)
    bits = (pixels[:, 1:] > pixels[:, :-1]).flatten()
    return int("".join("1" if bit else "0" for bit in bits), 2)
