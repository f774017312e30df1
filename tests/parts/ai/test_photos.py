"""What is wrong with which photo."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tillhouse.parts.ai.domain.photos import SENTENCES, Face, Facts, Fault, judge
from tillhouse.parts.ai.providers.photos.measuring import measure


def scene(seed: int, *, side: int = 640) -> Image.Image:
    """Patches of light and shade with some grain: as sharp as a photo."""
    dice = np.random.default_rng(seed)
    coarse = Image.fromarray(dice.integers(40, 215, (12, 12), dtype=np.uint8)).resize(
        (side, side), Image.Resampling.NEAREST
    )
    grain = dice.integers(-12, 12, (side, side))
    return Image.fromarray(np.clip(np.asarray(coarse, dtype=np.int16) + grain, 0, 255).astype(np.uint8))


def measured(picture: Image.Image, kind: str = "JPEG") -> Facts:
    out = BytesIO()
    picture.save(out, kind, quality=92)
    facts = measure(out.getvalue())
    assert facts
    return facts


def faults(*photos: Facts | None) -> list[tuple[Fault, ...]]:
    return [verdict.faults for verdict in judge(photos)]


def test_a_good_photo_has_nothing_wrong_and_nobody_pretends_to_have_counted_faces() -> None:
    (verdict,) = judge([measured(scene(1))])
    assert (verdict.good, verdict.faces) == (True, None)


@pytest.mark.parametrize(
    ("picture", "fault"),
    [
        (scene(2, side=300), "too_small"),
        (scene(3).filter(ImageFilter.GaussianBlur(6)), "blurred"),
        (scene(4).point(lambda value: value // 10), "too_dark"),
        (scene(5).point(lambda value: min(255, value * 3)), "too_bright"),
        (Image.new("L", (640, 640), 128), "flat"),
    ],
)
def test_each_fault_is_found_and_named(picture: Image.Image, fault: Fault) -> None:
    assert faults(measured(picture)) == [(fault,)]
    assert SENTENCES[fault].endswith(".")


def test_what_is_no_picture_is_said_to_be_none() -> None:
    for content in (b"", b"%PDF-1.7", b"\x89PNG\r\n\x1a\n" + b"\0" * 40):
        assert measure(content) is None
    assert faults(None) == [("unreadable",)]


def test_the_second_of_two_of_one_moment_is_a_duplicate_and_says_of_which() -> None:
    first, other = scene(6), scene(7)
    again = first.resize((700, 700)).point(lambda value: min(255, value + 6))
    verdicts = judge([measured(first), measured(other), measured(again)])
    assert [(one.faults, one.like) for one in verdicts] == [((), None), ((), None), (("duplicate",), 1)]


def test_a_photo_is_measured_upright() -> None:
    picture, exif = scene(8).crop((0, 0, 640, 560)), Image.Exif()
    exif[0x0112] = 6
    out = BytesIO()
    picture.save(out, "JPEG", exif=exif)
    facts = measure(out.getvalue())
    assert facts
    assert (facts.width, facts.height) == (560, 640)


def test_faces_are_judged_where_somebody_counted() -> None:
    asha, linh = (1.0, 0.1, 0.0), (0.0, 0.1, 1.0)
    base = [measured(scene(seed)) for seed in range(10, 16)]
    found = [
        (Face(0.4, asha),),
        (Face(0.4, asha),),
        (Face(0.4, linh),),
        (),
        (Face(0.4), Face(0.3)),
        (Face(0.02, asha),),
    ]
    photos = [replace(facts, faces=faces) for facts, faces in zip(base, found, strict=True)]
    assert faults(*photos) == [(), (), ("other_person",), ("no_face",), ("many_faces",), ("small_face",)]
    # Two that differ do not tell who is the stranger.
    assert faults(photos[0], photos[2]) == [(), ()]
