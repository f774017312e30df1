"""Settings of ai that belong to no vendor."""

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from tillhouse.kernel.settings import ModuleSettings, setting
from tillhouse.parts.ai.domain.deadlines import Deadlines


class AISettings(ModuleSettings):
    """Which models are asked, how long they may take, and what they cost."""

    prefix = "AI"

    chat_models: tuple[str, ...] = setting(
        (),
        "Models that answer, each as endpoint/model, the preferred first; the next is asked when one cannot. Empty: "
        "the default model of every endpoint that is set up, then the extractive one, which quotes and writes nothing.",
    )
    passage_characters: PositiveInt = setting(
        1_200, "How long a passage of a document may be, in characters of Latin script."
    )
    passage_overlap: NonNegativeInt = setting(200, "How much of a passage the next one begins with, likewise.")
    speech_models: tuple[str, ...] = setting(
        (),
        "Models that listen, as endpoint/model, the preferred first. Empty: those of endpoints that are set up, then "
        "the embedded one, which knows English numbers, units and the caller's own names.",
    )
    embedding_model: str = setting(
        "",
        "The model that makes vectors, as endpoint/model: one alone, because vectors of two do not compare. Empty: "
        "that of the first endpoint that is set up, or none; search is then by words.",
    )
    prices: str = setting("", "File of prices (TOML). Empty: the list that comes with this build.")
    first_seconds: PositiveFloat = setting(30.0, "Seconds that a model may take to its first words.")
    between_seconds: PositiveFloat = setting(20.0, "Seconds of silence in the middle of an answer.")
    total_seconds: PositiveFloat = setting(180.0, "Seconds that a whole answer may take, tries again included.")
    tries: PositiveInt = setting(2, "How often one model is asked when it was not reached or is too busy.")
    breaker_failures: PositiveInt = setting(5, "Failures in a row after which an endpoint is left alone.")
    breaker_seconds: PositiveFloat = setting(30.0, "Seconds for which it is.")
    most_sound_megabytes: PositiveInt = setting(25, "Largest sound that is listened to, in MB.")
    most_sound_minutes: PositiveInt = setting(120, "Longest sound that is listened to, in minutes.")
    link_hosts: tuple[str, ...] = setting(
        (), "Hosts that links in a model's answer may lead to, with all below them. Empty: links are shown as text."
    )
    image_minutes: PositiveInt = setting(
        240, "Minutes that an order of pictures may take; then it fails and nothing is charged."
    )
    image_poll_seconds: PositiveInt = setting(
        60, "Seconds after which an order of pictures is looked at, whether or not its maker has called back."
    )
    keep_calls_days: PositiveInt = setting(400, "Days for which the record of single calls is kept.")

    @property
    def deadlines(self) -> Deadlines:
        return Deadlines(self.first_seconds, self.between_seconds, self.total_seconds)
