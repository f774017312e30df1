"""Faces by OpenCV: YuNet finds them, SFace tells one from another.

One photo at a time: OpenCV's networks are not made for threads, and one processor is as much as a check may take.
"""

from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any

import cv2
import numpy as np
from PIL import Image

from tillhouse.parts.ai.domain.photos import Face, Look
from tillhouse.parts.ai.providers.photos.measuring import BRIGHT, DARK, sharpness
from tillhouse.parts.ai.providers.photos.opening import upright

_SURE = 0.8
_LONGEST = 1280  # pixels of the photo that faces are cut from
_SEARCHED = 640  # of the one they are looked for in: larger, and YuNet misses faces that fill the photo
_CUT = 160  # height of a face whose sharpness is measured
# A face that is not certain is looked for in the photo turned as well: one upside down is seen, but less surely. A turn
# has to be surer by so much.
_CERTAIN, _SURER = 0.9, 0.03
# Where SFace wants the eyes, the nose and the corners of the mouth, of 112 x 112 pixels; as complex numbers.
_PLACES = np.array([38.2946 + 51.6963j, 73.5318 + 51.5014j, 56.0252 + 71.7366j, 41.5493 + 92.3655j, 70.7299 + 92.2041j])
_LOADING = Lock()


def find_faces(content: bytes, model: str, identity_model: str) -> tuple[Face, ...]:
    """The faces of a photo; none of what is no picture. Raises `cv2.error` for a model that cannot be loaded."""
    photo = upright(content, "RGB", _LONGEST)
    if photo is None:
        return ()
    with _LOADING:
        networks = _networks(model, identity_model)
    return networks.find(photo)


@cache
def _networks(model: str, identity_model: str) -> "_Networks":
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # of its warnings none is about our photos
    cv2.setNumThreads(1)
    return _Networks(model, identity_model)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A photo, turned, and a row for each face in it: left, top, width, height, five marks, and how sure it is."""

    photo: Image.Image
    turn: int
    rows: np.ndarray

    @property
    def surest(self) -> float:
        return float(self.rows[:, 14].max()) if len(self.rows) else 0.0


class _Networks:
    def __init__(self, model: str, identity_model: str) -> None:
        self._detector = cv2.FaceDetectorYN.create(model, "", (_SEARCHED, _SEARCHED), _SURE)
        self._recogniser = cv2.dnn.readNetFromONNX(identity_model) if identity_model else None
        self._busy = Lock()

    def find(self, photo: Image.Image) -> tuple[Face, ...]:
        with self._busy:
            stands = self._seen(photo, turn=0)
            if stands.surest >= _CERTAIN:
                return self._faces(stands)
            lies = max((self._seen(photo, turn) for turn in (90, 180, 270)), key=lambda seen: seen.surest)
            return self._faces(lies if lies.surest > stands.surest + _SURER else stands)

    def _seen(self, photo: Image.Image, turn: int) -> "_Seen":
        turned = photo.rotate(turn, expand=True)
        small = turned.copy()
        small.thumbnail((_SEARCHED, _SEARCHED))
        self._detector.setInputSize(small.size)
        found: Any = self._detector.detect(_pixels(small))[1]  # None where there is no face
        rows = np.zeros((0, 15)) if found is None else found
        rows[:, :14] *= turned.width / small.width
        return _Seen(turned, turn, rows)

    def _faces(self, seen: "_Seen") -> tuple[Face, ...]:
        return tuple(
            Face(
                height=float(row[3]) / min(seen.photo.size),
                identity=self._identity(seen.photo, row[4:14:2] + 1j * row[5:14:2]),
                room=_room(seen.photo, row[:4]),
                upright=seen.turn == 0,
                look=_look(seen.photo, row[:4]),
            )
            for row in seen.rows
        )

    def _identity(self, photo: Image.Image, marks: np.ndarray) -> tuple[float, ...]:
        """Who it is as SFace sees them: a vector that is compared and kept nowhere."""
        if self._recogniser is None:
            return ()
        face = cv2.warpAffine(_pixels(photo), _onto_places(marks), (112, 112))
        self._recogniser.setInput(cv2.dnn.blobFromImage(face), "data")
        return tuple(map(float, self._recogniser.forward().flatten()))


def _pixels(photo: Image.Image) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(photo)[:, :, ::-1])  # blue first


def _onto_places(marks: np.ndarray) -> np.ndarray:
    """The turn, scale and shift that bring a face's marks nearest to where they are wanted, by least squares."""
    marks_off, places_off = marks - marks.mean(), _PLACES - _PLACES.mean()
    factor = (marks_off.conj() @ places_off) / max((marks_off.conj() @ marks_off).real, 1e-9)
    shift = _PLACES.mean() - factor * marks.mean()
    return np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])


def _room(photo: Image.Image, box: np.ndarray) -> float:
    """How far the face is from the nearest edge, as a share of its longer side; negative where it goes beyond."""
    left, top, width, height = map(float, box)
    return min(left, top, photo.width - left - width, photo.height - top - height) / max(width, height, 1.0)


def _look(photo: Image.Image, box: np.ndarray) -> Look:
    """The face alone. Its sharpness is a share of its contrast: a face in the shade is not taken for a blurred one."""
    left, top, width, height = (round(float(one)) for one in box)
    inside = (max(0, left), max(0, top), min(photo.width, left + width), min(photo.height, top + height))
    face = photo.crop((*inside[:2], max(inside[0] + 1, inside[2]), max(inside[1] + 1, inside[3]))).convert("L")
    face.thumbnail((_CUT, _CUT))
    pixels = np.asarray(face, dtype=np.float64)
    return Look(
        sharpness=sharpness(pixels) / max(float(pixels.var()), 1.0),
        dark=float((pixels < DARK).mean()),
        bright=float((pixels > BRIGHT).mean()),
    )
