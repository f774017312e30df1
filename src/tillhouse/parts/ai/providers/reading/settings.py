"""Settings of reading."""

from typing import Literal

from pydantic import PositiveInt

from tillhouse.kernel.settings import ModuleSettings, setting


class ReadingSettings(ModuleSettings):
    """How much of a document is read, and by what."""

    prefix = "READING"

    ocr: Literal["auto", "rapidocr", "tesseract", "off"] = setting(
        "auto",
        "What reads pictures: rapidocr (built in; Latin and Chinese), tesseract (Debian's, for Thai, Vietnamese, Hindi "
        "and Hebrew), auto: tesseract for its languages where it is installed, else rapidocr; or off.",
    )
    ocr_threads: PositiveInt = setting(2, "Most threads that reading pictures takes in one document.")
    pages_most: PositiveInt = setting(2_000, "Most pages of a document that is read.")
    unpacked_megabytes: PositiveInt = setting(300, "Most that may be inside an office document, unpacked, in MB.")
    page_seconds: PositiveInt = setting(60, "Longest that one page may take, in seconds.")
    memory_megabytes: PositiveInt = setting(
        4_096, "Most memory that reading one document may take, in MB of address space."
    )


SETTINGS = (ReadingSettings,)
