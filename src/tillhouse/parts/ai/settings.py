"""Settings of ai that belong to no vendor."""

from pydantic import NonNegativeInt, PositiveInt

from tillhouse.kernel.settings import ModuleSettings, setting


class AISettings(ModuleSettings):
    """Which models answer, and how long they may take."""

    prefix = "AI"

    chat_models: tuple[str, ...] = setting(
        (),
        "Models that answer, as endpoint/model, the preferred first. Empty: every endpoint that has a key, then the "
        "extractive default, which quotes and writes nothing.",
    )
    passage_characters: PositiveInt = setting(
        1_200, "How long a passage of a document may be, in characters of Latin script."
    )
    passage_overlap: NonNegativeInt = setting(200, "How much of a passage the next one begins with, likewise.")
