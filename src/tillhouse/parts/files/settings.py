"""Settings of files."""

from pydantic import PositiveInt

from tillhouse.kernel.settings import ModuleSettings, setting


class FilesSettings(ModuleSettings):
    """Where the bytes are, and how many."""

    prefix = "FILES"

    url: str = setting(
        "", "Where files are stored: file:///path, s3://bucket, gs://bucket, az://container. Empty: DATA_FOLDER/files."
    )
    most_megabytes: PositiveInt = setting(20, "Largest file that is taken in one request, in MB.")
    most_upload_megabytes: PositiveInt = setting(2148, "Largest file that is taken as a resumable upload, in MB.")
    quota_megabytes: PositiveInt = setting(5000, "How much one person may keep, in MB.")
    upload_hours: PositiveInt = setting(24, "How long an unfinished upload waits for its next bytes.")
    chunk_kilobytes: PositiveInt = setting(
        8192, "How much of an upload is held in memory before it is stored, in kB; what a crash can lose."
    )
    most_megapixels: PositiveInt = setting(50, "Largest picture that is taken, in millions of pixels.")
    clamd: str = setting("", "The virus scanner: /path/to/clamd.ctl, or host:port. Empty: files are not scanned.")
    media_minutes: PositiveInt = setting(30, "How long the work on one recording may take.")
