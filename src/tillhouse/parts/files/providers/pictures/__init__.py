"""Pictures through Pillow, HEIC and AVIF included: decoded under limits, and written anew from their pixels alone.

Loaded when the first picture comes (`ports.Pictures`), and for the whole process: Pillow's own limit, which only warns,
is replaced by one that refuses before a pixel is decoded.
"""

import io

from PIL import Image, ImageOps, UnidentifiedImageError
from pillow_heif import register_heif_opener

from tillhouse.parts.files.domain import FileRefused
from tillhouse.parts.files.ports import Picture

register_heif_opener(thumbnails=False)
Image.MAX_IMAGE_PIXELS = None  # asked by `_open`, per call

_READ = ("JPEG", "PNG", "GIF", "WEBP", "HEIF", "AVIF")
_WRITTEN = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp"}
_QUALITY = 90
_MOST_FRAMES = 500
_UNREADABLE = (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, RuntimeError, MemoryError)


class Pillow:
    """Writes pictures anew."""

    def rewrite(self, content: bytes, most_pixels: int) -> Picture:
        """Upright, in its own format (HEIC and AVIF as JPEG), with its colour profile and nothing else."""
        try:
            with _open(content, most_pixels) as image:
                if image.format in ("GIF", "WEBP", "PNG") and getattr(image, "n_frames", 1) > 1:
                    return _moving(image, most_pixels)
                kept = image.format if image.format in _WRITTEN else "JPEG"
                return _written(_bare(image), kept, image.info.get("icc_profile"))
        except _UNREADABLE as error:
            raise FileRefused("unreadable") from error

    def squares(self, content: bytes, most_pixels: int, sides: tuple[int, ...]) -> tuple[Picture, ...]:
        """The middle of the picture, on white where it is transparent, as WebP of each side."""
        try:
            with _open(content, most_pixels) as image:
                image.draft("RGB", (2 * max(sides), 2 * max(sides)))  # JPEG alone can decode less than all
                bare = _bare(image)
                profile = image.info.get("icc_profile")
            flat = _flat(bare)
            return tuple(
                _written(ImageOps.fit(flat, (side, side), Image.Resampling.LANCZOS), "WEBP", profile) for side in sides
            )
        except _UNREADABLE as error:
            raise FileRefused("unreadable") from error


def _open(content: bytes, most_pixels: int) -> Image.Image:
    image = Image.open(io.BytesIO(content), formats=_READ)
    if image.width * image.height > most_pixels:
        raise FileRefused("too_many_pixels")
    return image


def _bare(image: Image.Image) -> Image.Image:
    """The pixels, upright: what the camera or the program noted stays behind."""
    upright = ImageOps.exif_transpose(image)
    alpha = "A" in upright.getbands() or "transparency" in upright.info
    mode = "RGBA" if alpha else "L" if upright.mode in ("1", "L") else "RGB"
    if upright.mode.startswith("I;16"):
        upright, mode = upright.point(lambda value: value / 256), "L"
    bare = upright.convert(mode)
    if bare is image:
        bare = image.copy()
    bare.info = {}
    return bare


def _flat(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image.convert("RGB")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def _written(image: Image.Image, name: str, profile: object) -> Picture:
    if name == "JPEG":
        image = _flat(image) if image.mode == "RGBA" else image
    # A profile of the old colours (CMYK) does not describe the new ones.
    kept = profile if isinstance(profile, bytes) and image.mode != "L" and profile[16:20] == b"RGB " else None
    out = io.BytesIO()
    if name == "PNG":
        image.save(out, name, icc_profile=kept)
    elif name == "GIF":
        image.save(out, name)
    else:
        image.save(out, name, icc_profile=kept, quality=_QUALITY)
    return Picture(out.getvalue(), _WRITTEN[name], image.width, image.height)


def _moving(image: Image.Image, most_pixels: int) -> Picture:
    """Every frame of a moving picture, each with its time."""
    count = getattr(image, "n_frames", 1)
    if count > _MOST_FRAMES or count * image.width * image.height > 4 * most_pixels:
        raise FileRefused("too_many_pixels")
    frames, times = [], []
    name, loop = image.format or "GIF", image.info.get("loop")
    for number in range(count):
        image.seek(number)
        times.append(max(20, int(image.info.get("duration", 100) or 100)))
        frame = image.convert("RGBA")
        frame.info = {}
        frames.append(frame)
    out = io.BytesIO()
    more = {"loop": loop} if isinstance(loop, int) else {}
    frames[0].save(out, name, save_all=True, append_images=frames[1:], duration=times, **more)
    return Picture(out.getvalue(), _WRITTEN[name], image.width, image.height)
