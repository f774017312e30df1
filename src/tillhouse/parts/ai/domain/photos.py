"""Whether photos are good enough to teach a model what somebody looks like, and in words what to do about each.

Size, sharpness, light and duplicates are measured. How many faces there are, how they stand, and whether they are one
person's is known only where a finder of faces is installed: without one it is said that nobody counted, never guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tillhouse.kernel.text import N_

Fault = Literal[
    "unreadable", "too_small", "blurred", "too_dark", "too_bright", "flat", "duplicate", "no_face", "many_faces",
    "turned", "cut_face", "small_face", "blurred_face", "other_person",
]  # fmt: skip

SHORTEST_SIDE = 512  # pixels; makers of pictures train at this size
SHARPEST_BLUR = 60.0  # variance of the Laplacian of the picture at 512 pixels, below which a photo is out of focus
_DARK, _BRIGHT, _FLAT = 0.55, 0.35, 14.0  # share of nearly black, of burnt out; spread of brightness
_SAME = 6  # bits of 64 in which two pictures of the same moment may differ
_SMALLEST_FACE = 0.08  # of the shorter side
_BESIDE = 0.2  # of the largest face's height, below which another one is a passer-by far away
_ROOM = 0.03  # of a face's size, between it and the edge
_SHARPEST_BLUR_OF_FACE = 0.025  # of a blur of a hundredth of the face's height; faces in focus have 0.13 and more
_SAME_PERSON = 0.363  # cosine of two faces of one person, what the authors of SFace measured

SENTENCES: dict[Fault, str] = {
    "unreadable": N_("This is no picture that we can read. Send it as JPEG, PNG, WebP or HEIC."),
    "too_small": N_("This photo is too small. Send the original: each side needs at least 512 pixels."),
    "blurred": N_("This photo is out of focus. Take it again with a steady hand, or choose another one."),
    "too_dark": N_("This photo is too dark. Take it in daylight or with a lamp in front of you."),
    "too_bright": N_("This photo is too bright in places. Turn away from the sun or the lamp."),
    "flat": N_("There is hardly anything to see in this photo. Choose one with light and shade on the face."),
    "duplicate": N_("This photo is nearly the same as another one. Choose a different moment or angle."),
    "no_face": N_("No face is to be seen in this photo. Choose one that shows it from the front or the side."),
    "turned": N_("This photo lies on its side or upside down. Turn it upright and send it again."),
    "cut_face": N_("The face is cut off at the edge of this photo. Choose one that shows the whole head."),
    "blurred_face": N_("The face is out of focus in this photo. Choose one in which the eyes are sharp."),
    "many_faces": N_(
        "There is more than one face in this photo. Choose one of this person alone, or cut the others off."
    ),
    "small_face": N_("The face is too far away in this photo. Come closer, or cut the photo to head and shoulders."),
    "other_person": N_("This photo seems to show somebody else than the others. All photos have to be of one person."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a face looks, whatever is around it: the variance of its Laplacian as a share of its own variance, and the
    shares of it that are nearly black and burnt out."""

    sharpness: float = 1.0
    dark: float = 0.0
    bright: float = 0.0


@dataclass(frozen=True, slots=True)
class Face:
    """A face: its height as a share of the photo's shorter side, and who it is as a vector, where that is known.

    `room` is how far it is from the nearest edge, as a share of its size.
    """

    height: float
    identity: tuple[float, ...] = ()
    room: float = 1.0
    upright: bool = True
    look: Look = Look()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was measured of a photo. `dark` and `bright` are shares of all pixels; `hash` is of 64 bits; `faces` is None
    where nobody counted."""

    width: int
    height: int
    sharpness: float
    dark: float
    bright: float
    spread: float
    hash: int
    faces: tuple[Face, ...] | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a photo: nothing, when it is good.

    `faces` is how many there are, None where nobody counted; `like` is the number of the photo that it repeats.
    """

    number: int
    faults: tuple[Fault, ...]
    faces: int | None = None
    like: int | None = None

    @property
    def good(self) -> bool:
        return not self.faults


def judge(photos: Sequence[Facts | None]) -> list[Verdict]:
    """A verdict on each, numbered from 1 in the order given; None is what could not be read.

    Of photos that are nearly the same the first is kept. Who is somebody else is told by the face that most of the
    others resemble.
    """
    verdicts: list[Verdict] = []
    main = _main_face(photos)
    for number, facts in enumerate(photos, 1):
        if facts is None:
            verdicts.append(Verdict(number, ("unreadable",)))
            continue
        like = _repeated(photos[: number - 1], facts)
        quality = _of_quality(facts)
        faults = [*quality, *_of_faces(facts, quality, main)]
        if like:
            faults.append("duplicate")
        faces = None if facts.faces is None else len(_that_count(facts.faces))
        verdicts.append(Verdict(number, tuple(faults), faces, like))
    return verdicts


def _of_quality(facts: Facts) -> list[Fault]:
    found: list[Fault] = []
    faces = _that_count(facts.faces or ())
    light = faces[0].look if len(faces) == 1 else facts  # a face in good light may stand before a black wall
    if min(facts.width, facts.height) < SHORTEST_SIDE:
        found.append("too_small")
    if light.dark > _DARK:
        found.append("too_dark")
    elif light.bright > _BRIGHT:
        found.append("too_bright")
    elif facts.spread < _FLAT:
        found.append("flat")
    elif facts.sharpness < SHARPEST_BLUR:
        found.append("blurred")
    return found


def _of_faces(facts: Facts, quality: Sequence[Fault], main: tuple[float, ...]) -> list[Fault]:
    if facts.faces is None:
        return []
    faces = _that_count(facts.faces)
    if len(faces) > 1:
        return ["many_faces"]
    if not faces:  # what hides a face is told first: without it there may be one
        return [] if _HIDING.intersection(quality) else ["no_face"]
    found = _of_one(faces[0], quality)
    if found or _HIDING.intersection(quality):  # nobody is sure to be known in such a photo
        return found
    if main and faces[0].identity and _cosine(main, faces[0].identity) < _SAME_PERSON:
        return ["other_person"]
    return found


_HIDING: frozenset[Fault] = frozenset({"too_dark", "blurred"})


def _of_one(face: Face, quality: Sequence[Fault]) -> list[Fault]:
    found: list[Fault] = []
    if not face.upright:
        found.append("turned")
    if face.room < _ROOM:
        found.append("cut_face")
    if face.height < _SMALLEST_FACE:
        found.append("small_face")
    elif face.look.sharpness < _SHARPEST_BLUR_OF_FACE and "blurred" not in quality:
        found.append("blurred_face")
    return found


def _that_count(faces: Sequence[Face]) -> list[Face]:
    """Faces but for those that are tiny beside the largest."""
    largest = max((face.height for face in faces), default=0.0)
    return [face for face in faces if face.height >= _BESIDE * largest]


def _repeated(before: Sequence[Facts | None], facts: Facts) -> int | None:
    for number, other in enumerate(before, 1):
        if other and (other.hash ^ facts.hash).bit_count() <= _SAME:
            return number
    return None


def _main_face(photos: Sequence[Facts | None]) -> tuple[float, ...]:
    """The face that resembles most others; nothing for fewer than three, which tell nobody who is the stranger."""
    alone = [_that_count(facts.faces) for facts in photos if facts and facts.faces]
    known = [faces[0].identity for faces in alone if len(faces) == 1 and faces[0].identity]
    if len(known) < 3:
        return ()
    return max(known, key=lambda one: sum(_cosine(one, other) >= _SAME_PERSON for other in known))


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    size = (sum(a * a for a in one) * sum(b * b for b in other)) ** 0.5
    return dot / size if size else 0.0
