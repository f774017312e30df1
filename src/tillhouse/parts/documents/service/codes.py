"""QR codes as pictures."""

import io

import segno

from tillhouse.kernel.errors import FieldError, InvalidInput
from tillhouse.kernel.text import N_

_QUIET = 4  # modules of white around a code: scanners need them


def qr_svg(text: str, *, scale: int = 5) -> str:
    """The code as an SVG document, black on white with its quiet zone. `scale` is pixels per module."""
    drawn = io.BytesIO()
    _code(text).save(drawn, kind="svg", scale=scale, border=_QUIET, light="#ffffff", xmldecl=False)
    return drawn.getvalue().decode()


def qr_png(text: str, *, scale: int = 8) -> bytes:
    """The code as a PNG picture, black on white with its quiet zone. `scale` is pixels per module."""
    drawn = io.BytesIO()
    _code(text).save(drawn, kind="png", scale=scale, border=_QUIET, light="#ffffff")
    return drawn.getvalue()


def qr_data_uri(text: str, *, scale: int = 6) -> str:
    """The code as `data:image/svg+xml…`, for the `src` of a picture in a page."""
    return _code(text).svg_data_uri(scale=scale, border=_QUIET, light="white")


def _code(text: str) -> segno.QRCode:
    """M mends 15 % of a code, which a thumb or a fold hides; segno takes more where it costs no larger code."""
    try:
        return segno.make(text, error="m", micro=False)
    except ValueError:  # DataOverflowError is one
        message = N_("This is too long for a QR code: it holds about 2,300 letters.")
        raise InvalidInput(message, errors=[FieldError("/code", "too_long", message)]) from None
