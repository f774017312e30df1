"""Photos measured by Pillow and numpy; faces found by OpenCV where the weights of its models are there."""

from collections.abc import Sequence
from functools import partial
from importlib import import_module

from tillhouse.kernel.house import House
from tillhouse.parts.ai.domain.photos import Face, Facts
from tillhouse.parts.ai.ports.photos import FaceFinder, PhotoReader
from tillhouse.parts.ai.providers.photos.settings import PhotoSettings

_HERE = "tillhouse.parts.ai.providers.photos"


def install(house: House) -> Sequence[object]:
    """The reader of photos, and a finder of faces where FACES_MODEL names one."""
    settings = house.settings_of(PhotoSettings)
    found: list[object] = [PhotoReader(_read)]
    if settings.model:
        found.append(FaceFinder("yunet", partial(_find, settings.model, settings.identity_model)))
    return found


def _read(content: bytes) -> Facts | None:
    facts: Facts | None = import_module(f"{_HERE}.measuring").measure(content)
    return facts


def _find(model: str, identity_model: str, content: bytes) -> tuple[Face, ...]:
    faces: tuple[Face, ...] = import_module(f"{_HERE}.faces").find_faces(content, model, identity_model)
    return faces
