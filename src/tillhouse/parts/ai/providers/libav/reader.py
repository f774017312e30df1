"""Decoding with bounds: what a file claims of its length is checked first, what it really holds as it is decoded."""

import io
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from tillhouse.parts.ai.domain.speech import RATE, Sound
from tillhouse.parts.ai.ports.sound import SoundTooLong, UnreadableSound

_FORMATS = (
    "wav,mp3,mov,mp4,m4a,3gp,3g2,mj2,ogg,flac,matroska,webm,aac,amr,aiff,caf,w64"  # no playlists: those open others
)


class LibavReader:
    """Reads with PyAV."""

    def read(self, content: bytes, most_milliseconds: int) -> Sound:
        """The first sound of a file. See `ports.sound`."""
        av = import_module("av")
        try:
            with av.open(io.BytesIO(content), options={"format_whitelist": _FORMATS}) as container:
                if not container.streams.audio:
                    raise UnreadableSound
                if container.duration is not None and container.duration > (most_milliseconds + 1000) * 1000:
                    raise SoundTooLong
                pcm = b"".join(_samples(av, container, most_milliseconds))
                media_type = _media_type(container.format.name)
        except (av.error.FFmpegError, ValueError, EOFError):
            raise UnreadableSound from None
        if not pcm:
            raise UnreadableSound
        return Sound(pcm=pcm, original=content, media_type=media_type)


def _samples(av: Any, container: Any, most_milliseconds: int) -> Iterator[bytes]:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    left = (most_milliseconds + 1000) * RATE * 2 // 1000
    for frame in _frames(container):
        for part in resampler.resample(frame):
            piece = bytes(part.planes[0])[: part.samples * 2]
            left -= len(piece)
            if left < 0:
                raise SoundTooLong
            yield piece


def _frames(container: Any) -> Iterator[Any]:
    yield from container.decode(audio=0)
    yield None  # what the resampler still holds


def _media_type(names: str) -> str:
    for name, media_type in (("wav", "audio/wav"), ("mp3", "audio/mpeg"), ("ogg", "audio/ogg"), ("flac", "audio/flac"),
                             ("webm", "audio/webm"), ("mp4", "audio/mp4")):  # fmt: skip
        if name in names.split(","):
            return media_type
    return "application/octet-stream"
