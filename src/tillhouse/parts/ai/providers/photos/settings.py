"""Which models look for faces, and which tell one person from another."""

from tillhouse.kernel.settings import ModuleSettings, setting

NONE = "none"


class PhotoSettings(ModuleSettings):
    """Faces in photos."""

    prefix = "faces"

    model: str = setting(
        "",
        "File of YuNet (face_detection_yunet_*.onnx of OpenCV's model zoo). Empty: the one that comes with this build. "
        "`none`: faces are not counted.",
    )
    identity_model: str = setting(
        "",
        "File of SFace (face_recognition_sface_*.onnx). Empty: the one that comes with this build. `none`: nobody "
        "looks whether faces are one person's.",
    )


SETTINGS = (PhotoSettings,)
