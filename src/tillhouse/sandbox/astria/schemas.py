"""What Astria remembers."""

from typing import ClassVar

from tillhouse.sandbox.store import Record


class Picture(Record):
    """A photo that was sent, or a picture that was made: a JPEG in base64."""

    kind: ClassVar[str] = "astria_picture"

    jpeg: str


class Tune(Record):
    """A tune. Times are unix seconds; `number` is its id on the wire. `base` is where this Astria answers."""

    kind: ClassVar[str] = "astria_tune"

    number: int
    base: str
    title: str
    name: str
    branch: str
    callback: str = ""
    pack: str = ""
    photos: list[str] = []
    characteristics: dict[str, str] = {}
    started_at: int | None = None
    trained_at: int | None = None
    stuck: bool = False


class Prompt(Record):
    """A prompt of a tune (`tune`); `subjects` are the tunes that its text names, whose photos it is made of."""

    kind: ClassVar[str] = "astria_prompt"

    number: int
    tune: int
    base: str
    text: str
    callback: str = ""
    num_images: int = 4
    seed: int | None = None
    subjects: list[int] = []
    started_at: int | None = None
    trained_at: int | None = None
    images: list[str] = []
