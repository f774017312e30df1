"""Astria's settings."""

from tillhouse.kernel.settings import ModuleSettings, setting

_SANDBOX_KEY = "sd_tillhouse"


class AstriaSettings(ModuleSettings):
    """Astria (https://astria.ai). The development value is the sandbox's own and opens nothing else."""

    prefix = "astria"

    api_key: str = setting(
        _SANDBOX_KEY, "API key of Astria. Empty: no pictures are made.", secret=True, development_only=True
    )
    base_url: str = setting("", "Where it answers. Empty: the sandbox where there is one, else api.astria.ai.")
    branch: str = setting("flux1", "Branch of new tunes; `fast` trains nothing and costs nothing, for trying out.")
    base_tune: str = setting("1504944", "The tune that pictures of a LoRA are made on: Flux1.dev.")

    def base_in(self, sandbox_url: str) -> str:
        """Where Astria answers; empty where it is not set up."""
        if not self.api_key:
            return ""
        if self.base_url:
            return self.base_url.rstrip("/")
        if sandbox_url:
            return f"{sandbox_url.rstrip('/')}/astria"
        return "" if self.api_key == _SANDBOX_KEY else "https://api.astria.ai"


SETTINGS = (AstriaSettings,)
