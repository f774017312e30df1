"""What every module's request bodies share."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A request: a field that it does not know is refused, so that a misspelt one is not silently ignored."""

    model_config = ConfigDict(extra="forbid")
