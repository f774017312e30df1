"""What can be measured of a photo without a model."""

import numpy as np
from PIL import Image

from tillhouse.parts.ai.domain.photos import Facts
from tillhouse.parts.ai.providers.photos.opening import upright

_SIDE = 512
DARK, BRIGHT = 30, 250  # of 255: nearly black, burnt out


def measure(content: bytes) -> Facts | None:
    """Size, sharpness, light and a hash that resembles that of pictures of the same moment; None for no picture."""
    grey = upright(content, "L")
    if grey is None:
        return None
    small = grey.copy()
    small.thumbnail((_SIDE, _SIDE))
    pixels = np.asarray(small, dtype=np.float64)
    return Facts(
        width=grey.width,
        height=grey.height,
        sharpness=sharpness(pixels),
        dark=float((pixels < DARK).mean()),
        bright=float((pixels > BRIGHT).mean()),
        spread=float(pixels.std()),
        hash=_hash(grey),
    )


def sharpness(pixels: np.ndarray) -> float:
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
