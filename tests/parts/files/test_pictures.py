"""Pictures: written anew, upright, without what the camera noted; bombs and broken ones refused."""

import io
import struct
import zlib

import pytest
from PIL import Image

from tests.parts.files import samples
from tillhouse.parts.files.domain import FileRefused
from tillhouse.parts.files.providers.pictures import Pillow

MOST = 1_000_000
pillow = Pillow()


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def near(pixel: object, colour: tuple[int, int, int]) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(a - b) < 40 for a, b in zip(pixel, colour, strict=False))


@pytest.mark.parametrize(
    ("form", "media_type"),
    [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp"), ("HEIF", "image/jpeg")],
)
def test_a_picture_stands_upright_and_says_nothing_of_where_it_was_taken(form: str, media_type: str) -> None:
    sent = samples.picture(form, (200, 100), turned=6, place=True)  # held sideways: red is on top
    assert samples.GPS in opened(sent).getexif() or form == "HEIF"
    assert b"PhoneMaker" in sent
    made = pillow.rewrite(sent, MOST)
    image = opened(made.content)
    assert (made.media_type, made.width, made.height) == (media_type, 100, 200)
    assert (image.size, dict(image.getexif())) == ((100, 200), {})
    assert b"PhoneMaker" not in made.content
    assert b"Exif" not in made.content
    rgb = image.convert("RGB")
    assert near(rgb.getpixel((50, 20)), (255, 0, 0))
    assert near(rgb.getpixel((50, 180)), (0, 0, 255))


def test_a_picture_without_loss_keeps_every_pixel_and_its_transparency() -> None:
    image = Image.new("RGBA", (10, 10), (10, 20, 30, 128))
    out = io.BytesIO()
    image.save(out, "PNG")
    assert opened(pillow.rewrite(out.getvalue(), MOST).content).getpixel((5, 5)) == (10, 20, 30, 128)


def test_colours_keep_their_profile() -> None:
    profile = b"\0" * 12 + b"mntrRGB " + b"\0" * 200
    out = io.BytesIO()
    Image.new("RGB", (10, 10), "red").save(out, "JPEG", icc_profile=profile)
    assert opened(pillow.rewrite(out.getvalue(), MOST).content).info["icc_profile"] == profile


def test_a_moving_picture_keeps_moving_and_loses_its_comment() -> None:
    made = pillow.rewrite(samples.moving(3), MOST)
    assert getattr(opened(made.content), "n_frames", 1) == 3
    assert b"secret place" not in made.content


@pytest.mark.parametrize("form", ["CMYK", "P", "L", "LA", "1", "I;16"])
def test_every_kind_of_pixel_comes_through(form: str) -> None:
    out = io.BytesIO()
    Image.new(form, (20, 10)).save(out, "TIFF" if form == "never" else "JPEG" if form in ("CMYK", "L") else "PNG")
    made = pillow.rewrite(out.getvalue(), MOST)
    assert (made.width, made.height) == (20, 10)


def bomb(side: int) -> bytes:
    """A PNG of `side` × `side` pixels in a few kilobytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = zlib.compress(b"\0" * ((side // 8 + 1) * 100), 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (bomb(60_000), "too_many_pixels"),
        (samples.picture("PNG", (1001, 1000)), "too_many_pixels"),
        (samples.moving(501), "too_many_pixels"),
        (samples.picture("JPEG", (200, 200))[:700], "unreadable"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "unreadable"),
        (b"\0\0\0\x20ftypheic" + b"\0" * 100, "unreadable"),
        (b"GIF89a", "unreadable"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "unreadable"),  # would start a program
    ],
)
def test_a_bomb_and_a_broken_picture_are_refused(content: bytes, reason: str) -> None:
    with pytest.raises(FileRefused) as refusal:
        pillow.rewrite(content, MOST)
    assert refusal.value.reason == reason
    if content[:6] != samples.moving(2)[:6] or reason == "unreadable":  # a face is made of the first frame alone
        with pytest.raises(FileRefused) as refusal:
            pillow.squares(content, MOST, (64,))
        assert refusal.value.reason == reason


def test_what_hides_behind_a_picture_is_gone() -> None:
    sent = samples.picture("JPEG") + samples.archive() + b"<script>alert(1)</script>"
    made = pillow.rewrite(sent, MOST).content
    assert b"PK" not in made[-200:]
    assert b"<script" not in made


def test_a_face_is_cut_square_from_the_middle_in_every_size() -> None:
    large, small = pillow.squares(samples.picture("JPEG", (400, 200)), MOST, (128, 32))
    for square, side in ((large, 128), (small, 32)):
        image = opened(square.content)
        assert (image.size, image.format, square.media_type) == ((side, side), "WEBP", "image/webp")
        assert near(image.convert("RGB").getpixel((side // 4, side // 2)), (255, 0, 0))
        assert near(image.convert("RGB").getpixel((3 * side // 4, side // 2)), (0, 0, 255))
