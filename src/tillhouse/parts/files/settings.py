"""Settings of files."""

from pydantic import PositiveInt

from tillhouse.kernel.settings import ModuleSettings, setting


class FilesSettings(ModuleSettings):
    """Where the bytes are."""

    prefix = "FILES"

    url: str = setting(
        "", "Where files are stored: file:///path, s3://bucket, gs://bucket, az://container. Empty: DATA_FOLDER/files."
    )
    most_megabytes: PositiveInt = setting(20, "Largest file that is taken, in MB.")
