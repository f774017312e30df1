# ruff: noqa: ASYNC240  (files of a few kilobytes, in a folder of the test)
"""Recordings: what is in them, their thumbnail, their sound, a form that every browser plays, and a link to play it."""

import io
import shutil
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import av
import httpx
import pytest
from PIL import Image

from tests.parts.files import samples
from tests.parts.identity.town import Resident, Town
from tillhouse.kernel.work import run_due
from tillhouse.parts.files import api
from tillhouse.parts.files.domain import FileRefused
from tillhouse.parts.files.providers.media import PyAv
from tillhouse.parts.files.providers.objects import Objects

tool = PyAv(timedelta(minutes=1))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    samples.film(path)
    return path


@pytest.fixture(scope="module")
def note(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("note") / "note.ogg"
    samples.speech(path)
    return path


def calling(town: Town, who: Resident) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {who.token}"}
    transport = httpx.ASGITransport(town.app)
    return httpx.AsyncClient(transport=transport, base_url="http://testserver/api/v1/files", headers=headers)


async def test_a_film_is_shown_heard_and_played(town: Town, film: Path) -> None:
    asha, ravi = await town.resident(), await town.resident("ravi@example.com")
    found = await api.store_bytes(town.house, UUID(asha.id), "holiday.mp4", film.read_bytes())
    async with calling(town, asha) as client, calling(town, ravi) as other:
        path = f"/{found.id}"
        assert (await client.post(f"{path}/playback", json={"rendition": "stream"})).status_code == 404
        assert (await client.post(f"{path}/renditions", json={"rendition": "audio"})).status_code == 202
        asked = [(await client.post(f"{path}/renditions", json={"rendition": "stream"})).json() for _ in range(2)]
        assert asked[0]["id"] == asked[1]["id"]
        assert asked[0]["state"] == "processing"
        assert (await other.post(f"{path}/renditions", json={"rendition": "audio"})).status_code == 404
        await run_due(town.house)
        shown = (await client.get(path)).json()
        assert shown["facts"]["video"] == {"codec": "h264", "width": 160, "height": 120, "frames_per_second": "10.0"}
        assert shown["facts"]["audio"]["codec"] == "aac"
        assert 950 <= shown["facts"]["duration_ms"] <= 1100
        made = {one["rendition"]: one for one in shown["renditions"]}
        assert {name: (one["state"], one["media_type"]) for name, one in made.items()} == {
            "thumbnail": ("ready", "image/jpeg"), "audio": ("ready", "audio/flac"), "stream": ("ready", "video/mp4"),
        }  # fmt: skip

        image = Image.open(io.BytesIO((await client.get(f"/{made['thumbnail']['id']}/content")).content))
        red, green, _ = image.convert("RGB").getpixel((80, 60))  # type: ignore[misc]  # three, of a picture in RGB
        assert (image.size, red > 150, green < 80) == ((160, 120), True, True)

        sound = (await client.get(f"/{made['audio']['id']}/content")).content
        with av.open(io.BytesIO(sound)) as flac:
            (stream,) = flac.streams
            frames = list(flac.decode(audio=0))
        assert (stream.codec_context.name, frames[0].sample_rate, frames[0].layout.name) == ("flac", 16_000, "mono")
        assert abs(sum(frame.samples for frame in frames) - 16_000) < 1_000

        link = (await client.post(f"{path}/playback", json={"rendition": "stream", "minutes": 5})).json()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(town.app)) as player:
            played = await player.get(link["url"], headers={"Range": "bytes=0-"})
            assert (played.status_code, played.headers["content-type"]) == (206, "video/mp4")
            assert played.content.index(b"moov") < played.content.index(b"mdat"), "it starts before all of it is there"
            assert (await player.get(link["url"], headers={"Range": "bytes=4-7"})).content == b"ftyp"
        with av.open(io.BytesIO(played.content)) as mp4:
            assert [one.codec_context.name for one in mp4.streams] == ["h264", "aac"]
            assert 8 <= sum(1 for _ in mp4.decode(video=0)) <= 12

        usage = (await client.get("/usage")).json()["used"]
        assert usage == len(film.read_bytes()), "what the house made of it counts for nobody"
        assert [item["id"] for item in (await client.get("http://testserver/api/v1/files")).json()["items"]] == [
            str(found.id)
        ]
        assert (await client.delete(path)).status_code == 204
        assert (await client.get(f"/{made['audio']['id']}/content")).status_code == 404


async def test_a_voice_note_is_known_and_becomes_what_recognisers_want(note: Path, tmp_path: Path) -> None:
    facts = await tool.probe(note, "audio/ogg")
    assert facts["audio"] == {"codec": "opus", "channels": 1, "rate": 48_000}
    media_type, made = await tool.make("audio", note, "audio/ogg", tmp_path / "out")
    assert (media_type, made["rate"]) == ("audio/flac", 16_000)
    with pytest.raises(FileRefused):
        await tool.make("thumbnail", note, "audio/ogg", tmp_path / "none")


async def test_a_film_that_was_turned_stands_upright(tmp_path: Path) -> None:
    samples.film(tmp_path / "flat.mp4", sound=False)
    turned = _turned((tmp_path / "flat.mp4").read_bytes())
    (tmp_path / "turned.mp4").write_bytes(turned)
    facts = await tool.probe(tmp_path / "turned.mp4", "video/mp4")
    assert isinstance(facts["video"], dict)
    assert (facts["video"]["width"], facts["video"]["height"]) == (120, 160)
    _, made = await tool.make("thumbnail", tmp_path / "turned.mp4", "video/mp4", tmp_path / "out.jpg")
    assert (made["width"], made["height"]) == (120, 160)
    await tool.make("stream", tmp_path / "turned.mp4", "video/mp4", tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as mp4:
        assert (mp4.streams.video[0].width, mp4.streams.video[0].height) == (120, 160)


def _turned(film: bytes) -> bytes:
    """The film with a quarter turn in its track's matrix, as phones write it."""
    at = film.index(b"tkhd") + 4 + 40
    one = (1 << 16).to_bytes(4)
    matrix = bytes(4) + one + bytes(4) + (-(1 << 16)).to_bytes(4, signed=True) + bytes(4 + 4) + bytes(4 + 4)
    return film[:at] + matrix + (1 << 30).to_bytes(4) + film[at + 36 :]


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"\0\0\0\x20ftypisom" + b"\0" * 500, "video/mp4"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n", "video/mp4"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", "audio/mpeg"),
        (b"OggS" + b"\0" * 200, "audio/ogg"),
    ],
)
async def test_what_is_no_recording_is_refused_and_no_playlist_is_followed(
    tmp_path: Path, content: bytes, media_type: str
) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(FileRefused) as refusal:
        await tool.probe(tmp_path / "x", media_type)
    assert refusal.value.reason == "not_playable"


async def test_a_kind_that_must_play_is_refused_when_it_does_not(town: Town, note: Path) -> None:
    asha = await town.resident()
    owner = UUID(asha.id)
    town.house.provide([api.FileKind(name="test.note", playable=True, accepts=frozenset({"audio/ogg"}))])
    good = await api.store_bytes(town.house, owner, "n.ogg", note.read_bytes(), kind="test.note")
    bad = await api.store_bytes(town.house, owner, "m.ogg", b"OggS" + b"\0" * 200, kind="test.note")
    assert (good.state, bad.state) == ("processing", "processing")
    await run_due(town.house)
    async with town.house.database.reading() as session:
        assert (await api.look(session, owner, good.id)).state == "ready"
        refused = await api.look(session, owner, bad.id)
    assert (refused.state, refused.reason) == ("refused", "not_playable")


async def test_work_that_takes_too_long_is_ended_and_leaves_no_process(film: Path, tmp_path: Path) -> None:
    hasty = PyAv(timedelta(seconds=0.05))
    with pytest.raises(FileRefused):
        await hasty.make("stream", film, "video/mp4", tmp_path / "out")


async def test_bytes_that_vanished_end_the_work_quietly(town: Town, film: Path) -> None:
    asha = await town.resident()
    found = await api.store_bytes(town.house, UUID(asha.id), "a.mp4", film.read_bytes())
    place = town.house.the(Objects).local_path("")
    assert place
    shutil.rmtree(place)
    ran = await run_due(town.house)
    assert ran is not None
    async with town.house.database.reading() as session:
        assert (await api.look(session, UUID(asha.id), found.id)).facts == {}
