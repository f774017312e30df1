"""Where the weights of the models of faces are. None comes with the house: they are files of OpenCV's model zoo."""

from tillhouse.kernel.settings import ModuleSettings, setting


class PhotoSettings(ModuleSettings):
    """Faces in photos."""

    prefix = "faces"

    model: str = setting(
        "", "File of YuNet (face_detection_yunet_*.onnx of OpenCV's model zoo). Empty: faces are not counted."
    )
    identity_model: str = setting(
        "", "File of SFace (face_recognition_sface_*.onnx). Empty: nobody looks whether faces are one person's."
    )


SETTINGS = (PhotoSettings,)
