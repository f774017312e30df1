"""Typesetting: templates of the house compiled by Typst, fed with data alone.

What people wrote reaches Typst as JSON in `sys.inputs`, is read there by `json(bytes(…))` and shown as strings: Typst
evaluates markup in sources only, so nothing in it can be markup or code. The templates are the sources, and ours.
"""

import io
import json
from collections.abc import Sequence
from datetime import UTC
from functools import lru_cache
from pathlib import Path

import typst
from PIL import Image, ImageOps, UnidentifiedImageError

from tillhouse.kernel.errors import FieldError, InvalidInput
from tillhouse.kernel.text import N_
from tillhouse.parts.documents.domain.papers import Attachment
from tillhouse.parts.documents.domain.text import each_text, isolated, printable
from tillhouse.parts.documents.ports import Sheet
from tillhouse.parts.documents.providers.typst.fonts import FAMILIES, FOLDER, characters_of

_TEMPLATES = Path(__file__).parents[2] / "templates" / "documents"
_LOGO_PIXELS = (900, 360)
_MOST_LOGO_BYTES = 2_000_000
_MOST_LOGO_PIXELS = 40_000_000
_MOST_ATTACHED_BYTES = 2_000_000


class Typesetter:
    """A compiler that stays warm: Typst remembers parsed templates, fonts and shaped words. Not for several threads."""

    def __init__(self, *, fonts_folder: str = "") -> None:
        folders = [FOLDER, *([Path(fonts_folder)] if fonts_folder else [])]
        fonts = typst.Fonts(
            include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder) for folder in folders]
        )
        self._has = characters_of(*folders).__contains__
        self._families = [*FAMILIES, *(family for family in fonts.families() if family not in FAMILIES)]
        self._compiler = typst.Compiler(root=str(_TEMPLATES), font_paths=fonts, ignore_system_fonts=True)

    def pdf(self, sheet: Sheet) -> bytes:
        """The file of a sheet. Raises `InvalidInput` for a logo or an attachment that cannot be used."""
        right_to_left = sheet.frame["dir"] == "rtl"
        content = each_text(
            sheet.content, lambda text: isolated(printable(text, self._has), right_to_left=right_to_left)
        )
        frame = {
            **sheet.frame,
            "title": printable(sheet.title, self._has),
            "author": printable(sheet.author, self._has),
            "description": printable(sheet.description, self._has),
            "fonts": self._families,
        }
        files = {
            "logo": logo_of(sheet.logo) if sheet.logo else None,
            "code": sheet.code,
            "attachments": [_attached(one) for one in _usable(sheet.attachments)],
        }
        inputs = {
            "content": json.dumps(content, ensure_ascii=False),
            "files": json.dumps(files),
            "frame": json.dumps(frame, ensure_ascii=False),
        }
        printed = self._compiler.compile(
            input=str(_TEMPLATES / f"{sheet.template}.typ"),
            format="pdf",
            sys_inputs=inputs,
            # To be kept for decades, with attachments; to be read by screen readers. Typst refuses to write a file that
            # breaks either.
            pdf_standards=["a-3a", "ua-1"],
            timestamp=int(sheet.made_at.astimezone(UTC).timestamp()),
        )
        assert isinstance(printed, bytes)
        return printed


@lru_cache(maxsize=32)
def logo_of(picture: bytes) -> dict[str, object]:
    """A logo as a plain PNG and its size: upright, no larger than it is printed, without what cameras write beside it.

    Raises `InvalidInput` for what is no PNG, JPEG or WebP picture, or too large.
    """
    message = N_("The logo has to be a PNG, JPEG or WebP picture of up to 2 MB.")
    refused = InvalidInput(message, errors=[FieldError("/logo", "not_a_picture", message)])
    if len(picture) > _MOST_LOGO_BYTES:
        raise refused
    try:
        with Image.open(io.BytesIO(picture), formats=("PNG", "JPEG", "WEBP")) as opened:
            if opened.width * opened.height > _MOST_LOGO_PIXELS:
                raise refused
            upright = ImageOps.exif_transpose(opened).convert("RGBA")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise refused from None
    upright.thumbnail(_LOGO_PIXELS)
    plain = Image.frombytes("RGBA", upright.size, upright.tobytes())
    made = io.BytesIO()
    plain.save(made, "PNG", optimize=True)
    return {"png": list(made.getvalue()), "width": plain.width, "height": plain.height}


def _usable(attachments: Sequence[Attachment]) -> Sequence[Attachment]:
    names = [one.name for one in attachments]
    named = all(name and name.isprintable() and not set(name) & set('/\\:"') for name in names)
    if not named or len(set(names)) != len(names):
        message = N_("Every attached file needs a name of its own, without slashes.")
        raise InvalidInput(message, errors=[FieldError("/attachments", "bad_name", message)])
    if sum(len(one.content) for one in attachments) > _MOST_ATTACHED_BYTES:
        message = N_("Attached files may have 2 MB together.")
        raise InvalidInput(message, errors=[FieldError("/attachments", "too_large", message)])
    return attachments


def _attached(one: Attachment) -> dict[str, object]:
    return {
        "name": one.name,
        "media_type": one.media_type,
        "relationship": one.relationship,
        "description": one.description,
        "content": list(one.content),
    }
