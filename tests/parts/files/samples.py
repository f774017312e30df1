"""Odd files, made on the fly: pictures with a place in them, recordings of a second, things that are two things."""

import io
import zipfile
from fractions import Fraction
from pathlib import Path

import av
import pillow_heif
from PIL import Image, ImageDraw

GPS, ORIENTATION = 0x8825, 0x0112


def picture(
    name: str = "PNG", size: tuple[int, int] = (60, 40), *, colour: str = "red", turned: int = 0, place: bool = False
) -> bytes:
    """A picture whose left half is `colour` and whose right half is blue, as a camera held sideways would write it."""
    image = Image.new("RGB", size, "blue")
    ImageDraw.Draw(image).rectangle((0, 0, size[0] // 2 - 1, size[1]), fill=colour)
    exif = Image.Exif()
    if turned:
        exif[ORIENTATION] = turned
    if place:
        exif[0x010F] = "PhoneMaker"
        exif.get_ifd(GPS).update({1: "N", 2: (12.0, 58.0, 18.0), 3: "E", 4: (77.0, 35.0, 40.0)})
    out = io.BytesIO()
    if name == "HEIF":
        pillow_heif.from_pillow(image).save(out, exif=exif.tobytes(), quality=90)
    else:
        image.save(out, name, exif=exif.tobytes(), quality=95)
    return out.getvalue()


def moving(frames: int = 3) -> bytes:
    """A GIF of a few frames."""
    made = [Image.new("RGB", (20, 20), (80 * number % 256, number // 256 * 80, 0)) for number in range(frames)]
    out = io.BytesIO()
    made[0].save(out, "GIF", save_all=True, append_images=made[1:], duration=100, loop=0, comment=b"secret place")
    return out.getvalue()


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("notes.txt", "x")
    return out.getvalue()


def film(path: Path, *, seconds: float = 1.0, sound: bool = True, codec: str = "libx264", form: str = "mp4") -> bytes:
    """A film of `seconds` at 10 frames a second, red first and green later, with a steady tone."""
    with av.open(str(path), "w", format=form) as out:
        video = out.add_stream(codec, rate=10)
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        audio = out.add_stream("aac" if form == "mp4" else "libopus", rate=48_000, layout="mono") if sound else None
        for number in range(int(seconds * 10)):
            colour = "red" if number < seconds * 5 else "green"
            out.mux(video.encode(av.VideoFrame.from_image(Image.new("RGB", (160, 120), colour))))
        out.mux(video.encode(None))
        if audio:
            _tone(out, audio, int(seconds * 48_000))
    return path.read_bytes()


def speech(path: Path, seconds: float = 1.0) -> bytes:
    """A voice note: opus in ogg."""
    with av.open(str(path), "w", format="ogg") as out:
        _tone(out, out.add_stream("libopus", rate=48_000, layout="mono"), int(seconds * 48_000))
    return path.read_bytes()


def _tone(out: av.container.OutputContainer, stream: av.AudioStream, samples: int) -> None:
    resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=48_000, frame_size=960)
    frame = av.AudioFrame(format="s16", layout="mono", samples=samples)
    frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
    wave = b"".join((8000 if at // 55 % 2 else -8000).to_bytes(2, "little", signed=True) for at in range(samples))
    frame.planes[0].update(wave)
    for one in (*resampler.resample(frame), *resampler.resample(None)):
        out.mux(stream.encode(one))
    out.mux(stream.encode(None))
