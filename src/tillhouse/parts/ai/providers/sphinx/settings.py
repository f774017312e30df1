"""Settings of the embedded listener."""

from tillhouse.kernel.settings import ModuleSettings, setting


class SphinxSettings(ModuleSettings):
    """PocketSphinx: on this machine, English, against a grammar."""

    prefix = "sphinx"

    enabled: bool = setting(True, "Whether the embedded listener is asked where no other is set up.")


SETTINGS = (SphinxSettings,)
