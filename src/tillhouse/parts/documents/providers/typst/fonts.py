"""Which characters the fonts have, read from the files themselves (OpenType's `cmap`, formats 4 and 12)."""

import struct
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parent / "fonts"
FAMILIES = ("Noto Sans", "Noto Sans Thai", "Noto Sans Hebrew")
_SUFFIXES = (".ttf", ".otf")
_TABLE, _ENCODING, _GROUP = struct.Struct(">4sIII"), struct.Struct(">HHI"), struct.Struct(">III")


def characters_of(*folders: Path) -> frozenset[str]:
    """Every character for which a font in `folders` has a glyph."""
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix.lower() in _SUFFIXES]
    return frozenset(chr(point) for path in files for point in _points(path.read_bytes()))


def _points(font: bytes) -> Iterator[int]:
    """The code points of one font. Only what maps to a glyph counts; `.notdef` is none."""
    cmap = _table(font, b"cmap")
    (count,) = struct.unpack_from(">H", cmap, 2)
    for number in range(count):
        _, _, offset = _ENCODING.unpack_from(cmap, 4 + _ENCODING.size * number)
        sub = cmap[offset:]
        (form,) = struct.unpack_from(">H", sub)
        if form == 4:
            yield from _segments(sub)
        elif form == 12:
            yield from _groups(sub)


def _table(font: bytes, wanted: bytes) -> bytes:
    (count,) = struct.unpack_from(">H", font, 4)
    for number in range(count):
        tag, _, offset, length = _TABLE.unpack_from(font, 12 + _TABLE.size * number)
        if tag == wanted:
            return font[offset : offset + length]
    return b"\0\0\0\0"


def _segments(sub: bytes) -> Iterator[int]:
    segments = struct.unpack_from(">H", sub, 6)[0] // 2
    column = struct.Struct(f">{segments}H")
    ends, starts, deltas, offsets = (
        column.unpack_from(sub, 14 + (2 if index else 0) + column.size * index) for index in range(4)
    )
    places = 16 + column.size * 3  # where the offsets stand: they count from their own place
    for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
        for point in range(start, end + 1):
            if point == 0xFFFF:
                continue
            glyph = (point + deltas[index]) & 0xFFFF
            if offsets[index]:
                at = places + 2 * index + offsets[index] + 2 * (point - start)
                glyph = struct.unpack_from(">H", sub, at)[0]
            if glyph:
                yield point


def _groups(sub: bytes) -> Iterator[int]:
    (count,) = struct.unpack_from(">I", sub, 12)
    for number in range(count):
        start, end, glyph = _GROUP.unpack_from(sub, 16 + _GROUP.size * number)
        yield from range(start if glyph else start + 1, end + 1)
