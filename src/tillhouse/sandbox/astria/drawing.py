"""Pictures that anyone recognises as made from the photos: toned, framed, with the text below."""

import base64
import hashlib
import textwrap
from io import BytesIO

from PIL import Image, ImageDraw, ImageOps, UnidentifiedImageError

_SIDE, _EDGE = 512, 16
_TONES = (("#20130a", "#ffe9c4"), ("#0a1424", "#cfe3ff"), ("#101a10", "#d9f2d0"), ("#220d1c", "#ffd6ea"))


def received(content: bytes) -> str | None:
    """A photo as it is kept: upright, small, without what the camera noted. None for what is no picture."""
    try:
        with Image.open(BytesIO(content)) as photo:
            upright = ImageOps.exif_transpose(photo).convert("RGB")
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        return None
    upright.thumbnail((_SIDE, _SIDE))
    return _jpeg(upright)


def made(photo: str | None, text: str, number: int) -> str:
    """One picture of a prompt: the photo in a tone of its own, framed, with the text below."""
    mark = int.from_bytes(hashlib.sha256(f"{text}:{number}".encode()).digest()[:4])
    dark, light = _TONES[mark % len(_TONES)]
    picture = Image.new("RGB", (_SIDE, _SIDE), light)
    if photo:
        with Image.open(BytesIO(base64.b64decode(photo))) as found:
            toned = ImageOps.colorize(ImageOps.grayscale(found), dark, light)
        picture.paste(ImageOps.fit(toned, (_SIDE - 2 * _EDGE, _SIDE - 6 * _EDGE)), (_EDGE, _EDGE))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((_EDGE // 2, _EDGE // 2, _SIDE - _EDGE // 2, _SIDE - _EDGE // 2), outline=dark, width=4)
    plain = text.encode("ascii", "replace").decode()
    lines = [*textwrap.wrap(plain, 70)[:3], f"no. {number}, seed {mark}"]
    draw.multiline_text((_EDGE + 4, _SIDE - 5 * _EDGE + 4), "\n".join(lines), fill=dark)
    return _jpeg(picture)


def _jpeg(picture: Image.Image) -> str:
    out = BytesIO()
    picture.save(out, "JPEG", quality=88)
    return base64.b64encode(out.getvalue()).decode()
