"""Faces by OpenCV: YuNet finds them, SFace tells one from another."""

from functools import cache
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageOps

from tillhouse.parts.ai.domain.photos import Face

_SURE = 0.8
_LONGEST = 1280


def find_faces(content: bytes, model: str, identity_model: str) -> tuple[Face, ...]:
    """The faces of a photo that was read before. Raises `cv2.error` for a model that cannot be loaded."""
    with Image.open(BytesIO(content)) as photo:
        upright = ImageOps.exif_transpose(photo).convert("RGB")
    upright.thumbnail((_LONGEST, _LONGEST))
    pixels = np.ascontiguousarray(np.asarray(upright)[:, :, ::-1])
    detector = cv2.FaceDetectorYN.create(model, "", (upright.width, upright.height), _SURE)
    found = detector.detect(pixels)[1]
    shorter = min(upright.size)
    return tuple(
        Face(float(row[3]) / shorter, _identity(pixels, row, identity_model))
        for row in (found if found is not None else ())
    )


def _identity(pixels: Any, row: Any, model: str) -> tuple[float, ...]:
    if not model:
        return ()
    recogniser = _recogniser(model)
    return tuple(map(float, recogniser.feature(recogniser.alignCrop(pixels, row)).flatten()))


@cache
def _recogniser(model: str) -> Any:
    return cv2.FaceRecognizerSF.create(model, "")
