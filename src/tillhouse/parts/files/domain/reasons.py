"""Why a file is refused: a code that programs know, a sentence that says what to do."""

from collections.abc import Mapping

from tillhouse.kernel.errors import FieldError, InvalidInput
from tillhouse.kernel.text import N_

REASONS: Mapping[str, str] = {
    "empty": N_("This file is empty."),
    "type": N_("Files of this type are not taken here."),
    "two_faced": N_("This file is two kinds of file at once, so it is not taken. Export it again and send that."),
    "unreadable": N_("This picture cannot be read. Open it, save it again and send that."),
    "too_many_pixels": N_("This picture has too many pixels. Make it smaller and send it again."),
    "not_playable": N_("This recording cannot be played. Save it as MP4 or MP3 and send that."),
    "malware": N_("The virus scanner found something in this file. It was not kept."),
    "not_scanned": N_("This file is larger than the virus scanner takes, so it was not kept."),
    "size": N_("What arrived is not as long as was announced. Send the file again."),
    "expired": N_("This upload was not finished in time. Send the file again."),
    "broken": N_("We could not finish with this file. Send it again."),
}


class FileRefused(InvalidInput):
    """The bytes are not taken; `reason` is one of `REASONS`."""

    code = "file_refused"

    def __init__(self, reason: str) -> None:
        message = REASONS[reason]
        super().__init__(message, errors=[FieldError("/file", reason, message)])
        self.reason = reason
