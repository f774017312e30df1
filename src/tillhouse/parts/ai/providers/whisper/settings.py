"""Settings of the local Whisper."""

from typing import Literal

from tillhouse.kernel.settings import ModuleSettings, setting


class WhisperSettings(ModuleSettings):
    """faster-whisper with weights of one's own: nothing is downloaded."""

    prefix = "whisper"

    folder: str = setting(
        "", "Folder of weights in CTranslate2's format, for faster-whisper (the extra whisper). Empty: it is not used."
    )
    device: Literal["cpu", "cuda", "auto"] = setting("cpu", "Where it runs.")
    compute_type: str = setting("int8", "How numbers are kept: int8, float16, float32.")


SETTINGS = (WhisperSettings,)
