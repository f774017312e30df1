"""The process that opens recordings. Run as a script, alone: `child.py SECONDS probe|thumbnail|audio|stream SOURCE …`.

Imports nothing of the house. Answers with one line of JSON; exits with 3 for a recording that it cannot play.
"""

import json
import resource
import sys
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.audio.resampler import AudioResampler
from av.video.frame import VideoFrame

_MEMORY = 6 << 30  # bytes of address space, of which libraries and threads reserve most and use little
_LONGEST_SIDE = 1280
_THUMBNAIL_SIDE = 480
_SPEECH_RATE = 16_000
_NOT_PLAYABLE = 3

Facts = dict[str, Any]


class NotPlayable(Exception):
    """It holds nothing that we can play."""


def opened(source: str, demuxers: str) -> Any:
    """The recording, by one of `demuxers` alone: a playlist could name other files or addresses."""
    found = av.open(
        f"file:{source}", options={"format_whitelist": demuxers, "protocol_whitelist": "file"}, metadata_errors="ignore"
    )
    if not found.streams.audio and not _video(found):
        raise NotPlayable
    return found


def _video(container: Any) -> Any:
    """The film, if there is one: the cover of a song is none."""
    return next((s for s in container.streams.video if s.disposition.name != "attached_pic"), None)


def probe(source: str, demuxers: str) -> Facts:
    """Duration, codecs, sizes. One frame of each kind has to decode."""
    with opened(source, demuxers) as container:
        video, audio = _video(container), next(iter(container.streams.audio), None)
        facts: Facts = {"duration_ms": _duration(container, video or audio)}
        if video:
            turn = _turn(source, demuxers)
            width, height = (video.height, video.width) if turn % 180 else (video.width, video.height)
            facts["video"] = {
                "codec": video.codec_context.name, "width": width, "height": height,
                "frames_per_second": str(round(float(video.average_rate), 3)) if video.average_rate else "",
            }  # fmt: skip
        if audio:
            facts["audio"] = {
                "codec": audio.codec_context.name, "channels": audio.codec_context.channels, "rate": audio.rate,
            }  # fmt: skip
    for stream in filter(None, ("video" if "video" in facts else "", "audio" if "audio" in facts else "")):
        with opened(source, demuxers) as container:
            if next(iter(container.decode(**{stream: 0})), None) is None:
                raise NotPlayable
    return facts


def _duration(container: Any, stream: Any) -> int:
    """Milliseconds; where no header says it (a recording that was streamed), the packets do."""
    if container.duration:
        return int(container.duration // 1000)
    if stream.duration and stream.time_base:
        return int(stream.duration * stream.time_base * 1000)
    end = Fraction(0)
    for packet in container.demux(stream):
        if packet.pts is not None and packet.time_base:
            end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
    return int(end * 1000)


def _turn(source: str, demuxers: str) -> int:
    """By how many degrees the camera was turned."""
    with opened(source, demuxers) as container:
        frame = next(iter(container.decode(video=0)), None)
        return int(frame.rotation) % 360 if frame is not None else 0


def thumbnail(source: str, demuxers: str, target: str) -> Facts:
    """A picture from a tenth of the way in, upright, as JPEG; a sound's is not made."""
    with opened(source, demuxers) as container:
        video = _video(container)
        if video is None:
            raise NotPlayable
        if container.duration:
            container.seek(int(container.duration // 10))
        frame = next(iter(container.decode(video)), None)
    if frame is None:
        with opened(source, demuxers) as container:
            frame = next(iter(container.decode(_video(container))), None)
    if frame is None:
        raise NotPlayable
    image = frame.to_image().rotate(frame.rotation % 360, expand=True)
    image.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
    image.info = {}
    image.save(target, "JPEG", quality=82)
    return {"media_type": "image/jpeg", "width": image.width, "height": image.height}


def audio(source: str, demuxers: str, target: str) -> Facts:
    """The sound as recognisers of speech want it: 16 kHz, one channel, FLAC."""
    with opened(source, demuxers) as container, av.open(target, "w", format="flac") as out:
        if not container.streams.audio:
            raise NotPlayable
        stream: Any = out.add_stream("flac", rate=_SPEECH_RATE, layout="mono")
        resampler = AudioResampler(format="s16", layout="mono", rate=_SPEECH_RATE)
        samples = 0
        for frame in _forgiving(container, container.streams.audio[0]):
            for piece in resampler.resample(frame):
                samples += piece.samples
                out.mux(stream.encode(piece))
        for piece in resampler.resample(None):
            samples += piece.samples
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
    if not samples:
        raise NotPlayable
    return {"media_type": "audio/flac", "duration_ms": samples * 1000 // _SPEECH_RATE, "rate": _SPEECH_RATE}


def stream(source: str, demuxers: str, target: str) -> Facts:
    """What every browser plays: MP4 with its index in front, H.264 of at most 1280 pixels a side, and AAC."""
    with (
        opened(source, demuxers) as container,
        av.open(target, "w", format="mp4", options={"movflags": "+faststart"}) as out,
    ):
        film, sound = _video(container), next(iter(container.streams.audio), None)
        writers = [writer for writer in (_film(out, film), _sound(out, sound)) if writer]
        wanted = [one for one in (film, sound) if one is not None]
        by_stream = dict(zip((one.index for one in wanted), writers, strict=True))
        for packet in container.demux(wanted):
            for frame in _decoded(packet):
                by_stream[packet.stream.index](frame)
        for writer in writers:
            writer(None)
        facts: Facts = {"media_type": "video/mp4" if film else "audio/mp4"}
    return facts


Writer = Callable[[Any], None]


def _film(out: Any, source: Any) -> Writer | None:
    if source is None:
        return None
    rate = source.average_rate or Fraction(30)
    target = out.add_stream("libx264", rate=min(rate, Fraction(60)))
    target.options = {"preset": "veryfast", "crf": "24"}
    target.pix_fmt = "yuv420p"
    target.codec_context.time_base = Fraction(1, 90_000)
    size: list[tuple[int, int]] = []
    last = [-1]

    def write(frame: VideoFrame | None) -> None:
        if frame is None:
            out.mux(target.encode(None))
            return
        if frame.rotation % 360:
            stamp, base = frame.pts, frame.time_base
            frame = _turned(frame)
            frame.pts, frame.time_base = stamp, base
        if not size:
            size.append(_fitted(frame.width, frame.height))
            target.width, target.height = size[0]
        stamp = int(frame.pts * frame.time_base * 90_000) if frame.pts is not None and frame.time_base else last[0] + 1
        shown = frame.reformat(*size[0], format="yuv420p")
        shown.pts = last[0] = max(stamp, last[0] + 1)
        shown.time_base = Fraction(1, 90_000)
        out.mux(target.encode(shown))

    return write


def _turned(frame: Any) -> Any:
    make: Any = VideoFrame.from_image
    return make(frame.to_image().rotate(frame.rotation % 360, expand=True))


def _sound(out: Any, source: Any) -> Writer | None:
    if source is None:
        return None
    target = out.add_stream("aac", rate=48_000, layout="stereo")
    target.bit_rate = 128_000
    resampler = AudioResampler(format="fltp", layout="stereo", rate=48_000, frame_size=1024)

    def write(frame: Any) -> None:
        for piece in resampler.resample(frame):
            out.mux(target.encode(piece))
        if frame is None:
            out.mux(target.encode(None))

    return write


def _fitted(width: int, height: int) -> tuple[int, int]:
    """At most `_LONGEST_SIDE` a side, and even, as H.264 wants it."""
    scale = min(1.0, _LONGEST_SIDE / max(width, height))
    return max(2, round(width * scale) // 2 * 2), max(2, round(height * scale) // 2 * 2)


def _forgiving(container: Any, stream: Any) -> Iterator[Any]:
    for packet in container.demux(stream):
        yield from _decoded(packet)


def _decoded(packet: Any) -> Sequence[Any]:
    """The frames of a packet; one that a phone wrote wrongly is left out, as players do."""
    try:
        found: Sequence[Any] = packet.decode()
    except av.error.InvalidDataError:
        return ()
    return found


_WORKS: dict[str, Callable[..., Facts]] = {"probe": probe, "thumbnail": thumbnail, "audio": audio, "stream": stream}


def main(seconds: str, work: str, *arguments: str) -> None:
    """Do one piece of work within limits."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    processors = 4
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) * processors, int(seconds) * processors + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    av.logging.set_level(av.logging.PANIC)
    try:
        facts = _WORKS[work](*arguments)
    except (av.error.FFmpegError, NotPlayable, ValueError, IndexError) as error:
        if isinstance(error, MemoryError | av.error.MemoryError):
            raise
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.exit(_NOT_PLAYABLE)
    if work != "probe" and not Path(arguments[-1]).stat().st_size:
        sys.exit(_NOT_PLAYABLE)
    sys.stdout.write(json.dumps(facts))


if __name__ == "__main__":
    main(*sys.argv[1:])
