"""FFmpeg's libraries, from PyAV's wheel: any sound or film that people send becomes samples."""

from collections.abc import Sequence

from tillhouse.kernel.house import House
from tillhouse.parts.ai.ports.sound import InstalledSoundReader
from tillhouse.parts.ai.providers.libav.reader import LibavReader


def install(_house: House) -> Sequence[object]:
    """The reader; the library is loaded by the first sound."""
    return (InstalledSoundReader(LibavReader()),)
