"""Settings of ai that belong to no vendor."""

from tillhouse.kernel.settings import ModuleSettings, setting


class AISettings(ModuleSettings):
    """Which models answer, and how long they may take."""

    prefix = "AI"

    chat_models: tuple[str, ...] = setting(
        (),
        "Models that answer, as endpoint/model, the preferred first. Empty: every endpoint that has a key, then the "
        "extractive default, which quotes and writes nothing.",
    )
