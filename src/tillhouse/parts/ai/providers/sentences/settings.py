"""Settings of the local sentence model."""

from tillhouse.kernel.settings import ModuleSettings, setting


class SentencesSettings(ModuleSettings):
    """sentence-transformers with a model of one's own: nothing is downloaded."""

    prefix = "sentences"

    folder: str = setting(
        "", "Folder of a sentence model, for sentence-transformers (the extra sentences). Empty: it is not used."
    )
    question_prefix: str = setting("", "What the model wants before a question, such as `query: `.")
    passage_prefix: str = setting("", "What the model wants before a passage, such as `passage: `.")


SETTINGS = (SentencesSettings,)
