"""QR codes as images."""

from collections.abc import Mapping
from io import BytesIO
from typing import Literal

import segno
from fastapi.responses import Response

Form = Literal["svg", "png"]

_MEDIA_TYPES: dict[Form, str] = {"svg": "image/svg+xml", "png": "image/png"}


def qr_image(text: str, form: Form, headers: Mapping[str, str] | None = None) -> Response:
    """The code that a phone reads as `text`, black on white with its quiet zone."""
    image = BytesIO()
    segno.make(text, error="m", micro=False).save(image, kind=form, scale=8, border=4, light="#ffffff")
    return Response(image.getvalue(), media_type=_MEDIA_TYPES[form], headers=headers)
