"""Photos measured by Pillow and numpy; faces found by OpenCV, which is loaded by the first photo that is looked at."""

from collections.abc import Sequence
from functools import partial
from importlib import import_module

from tillhouse.kernel.house import House
from tillhouse.parts.ai.domain.photos import Face, Facts
from tillhouse.parts.ai.ports.photos import FaceFinder, PhotoReader
from tillhouse.parts.ai.providers.photos.settings import PhotoSettings
from tillhouse.parts.ai.providers.photos.weights import weights_of

_HERE = "tillhouse.parts.ai.providers.photos"


def install(house: House) -> Sequence[object]:
    """The reader of photos, and a finder of faces unless FACES_MODEL is `none`."""
    detector, recogniser = weights_of(house.settings_of(PhotoSettings))
    found: list[object] = [PhotoReader(_read)]
    if detector:
        found.append(FaceFinder("yunet", partial(_find, detector, recogniser)))
    return found


def _read(content: bytes) -> Facts | None:
    facts: Facts | None = import_module(f"{_HERE}.measuring").measure(content)
    return facts


def _find(model: str, identity_model: str, content: bytes) -> tuple[Face, ...]:
    faces: tuple[Face, ...] = import_module(f"{_HERE}.faces").find_faces(content, model, identity_model)
    return faces
