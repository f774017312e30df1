"""What Astria does by itself: trains, makes pictures, and calls back once, unsigned, never again."""

import json
import re
from datetime import UTC, datetime
from typing import Any

from tillhouse.sandbox import ids
from tillhouse.sandbox.astria import drawing
from tillhouse.sandbox.astria.schemas import Picture, Prompt, Tune
from tillhouse.sandbox.webhooks import Policy
from tillhouse.sandbox.world import World

PICTURES = "/_sandbox/astria/pictures"
QUEUED, TRAINING, GENERATING = 30.0, 1500.0, 60.0  # seconds of Astria's time
_FAST = 1.0
PACKS: dict[str, dict[str, Any]] = {
    "260": {"id": 260, "slug": "corporate-headshots", "title": "Corporate headshots", "prompts": 4},
    "261": {"id": 261, "slug": "travel", "title": "Around the world", "prompts": 3},
}
_PER_PROMPT = 2


def register(world: World) -> None:
    """Teach the queue that nothing is repeated, and the agenda what happens with time."""
    world.webhooks.register(
        "astria", Policy(timeout=10.0, retries_on_refusal=False, disables=False, sign=lambda _: {}, waits=())
    )
    world.agenda.register("astria_start", lambda number: _start(world, number))
    world.agenda.register("astria_train", lambda number: _train(world, number))
    world.agenda.register("astria_draw", lambda number: _draw(world, number))


def new_tune(world: World, tune: Tune) -> None:
    """Take a tune; its training begins by itself."""
    world.store.put(tune)
    for text in _texts_of(tune):
        new_prompt(
            world,
            Prompt(
                id=str(number := next_number(world)), created_at=tune.created_at, number=number, tune=tune.number,
                base=tune.base, text=text, callback=tune.callback, num_images=_PER_PROMPT, subjects=[tune.number],
            ),
        )  # fmt: skip
    world.agenda.plan("astria_start", tune.id, _FAST if tune.branch == "fast" else QUEUED)


def new_prompt(world: World, prompt: Prompt) -> None:
    """Take a prompt; it is made once every tune that it names is trained."""
    world.store.put(prompt)
    if all(tune is None or tune.trained_at for tune in _subjects(world, prompt)):
        world.agenda.plan("astria_draw", prompt.id, GENERATING)


def forget(world: World, tune: Tune) -> None:
    """Delete a tune with its photos, its prompts and their pictures."""
    for prompt in world.store.find(Prompt, {"tune": tune.number}):
        forget_prompt(world, prompt)
    for photo in tune.photos:
        world.store.delete(Picture, photo)
    world.store.delete(Tune, tune.id)


def forget_prompt(world: World, prompt: Prompt) -> None:
    """Delete a prompt and its pictures."""
    for picture in prompt.images:
        world.store.delete(Picture, picture)
    world.store.delete(Prompt, prompt.id)


def next_number(world: World) -> int:
    """Numbers as Astria gives them: they grow, over all objects."""
    return 2_000_000 + world.store.count(Tune) + world.store.count(Prompt) + int(ids.bank_reference(6))


def keep_picture(world: World, jpeg: str) -> str:
    """Remember a picture; its id."""
    picture = Picture(id=ids.token(24), created_at=world.clock.now_s(), jpeg=jpeg)
    world.store.put(picture)
    return picture.id


def tune_wire(tune: Tune) -> dict[str, Any]:
    """A tune as Astria shows it."""
    return {
        "id": tune.number,
        "title": tune.title,
        "name": tune.name,
        "token": "ohwx",
        "base_tune_id": None,
        "branch": tune.branch,
        "model_type": "lora",
        "args": None,
        "steps": None,
        "face_crop": False,
        "training_face_correct": False,
        "ckpt_url": None,
        "ckpt_urls": [],
        "eta": None,
        "started_training_at": _time(tune.started_at),
        "trained_at": _time(tune.trained_at),
        "expires_at": _time(tune.trained_at + 30 * 86_400) if tune.trained_at else None,
        "created_at": _time(tune.created_at),
        "updated_at": _time(tune.trained_at or tune.started_at or tune.created_at),
        "url": f"{tune.base}/astria/tunes/{tune.number}.json",
        "orig_images": [_address(tune.base, photo) for photo in tune.photos],
    }


def prompt_wire(prompt: Prompt) -> dict[str, Any]:
    """A prompt as Astria shows it; its pictures only when they are made."""
    return {
        "id": prompt.number,
        "tune_id": prompt.tune,
        "text": prompt.text,
        "negative_prompt": "",
        "cfg_scale": None,
        "steps": None,
        "seed": prompt.seed,
        "num_images": prompt.num_images,
        "callback": prompt.callback or None,
        "started_training_at": _time(prompt.started_at),
        "trained_at": _time(prompt.trained_at),
        "created_at": _time(prompt.created_at),
        "updated_at": _time(prompt.trained_at or prompt.created_at),
        "url": f"{prompt.base}/astria/tunes/{prompt.tune}/prompts/{prompt.number}.json",
        "images": [_address(prompt.base, picture) for picture in prompt.images],
    }


def subjects_in(text: str) -> list[int]:
    """The tunes that a text names: `<lora:123:1>`, `<faceid:123:1>`."""
    return [int(number) for number in re.findall(r"<(?:lora|faceid):(\d{1,18})(?::[\d.]+)?>", text)]


def _start(world: World, number: str) -> None:
    tune = world.store.get(Tune, number)
    if tune is None or tune.stuck:
        return
    tune.started_at = world.clock.now_s()
    world.store.put(tune)
    world.agenda.plan("astria_train", tune.id, _FAST if tune.branch == "fast" else TRAINING)


def _train(world: World, number: str) -> None:
    tune = world.store.get(Tune, number)
    if tune is None or tune.stuck:
        return
    tune.trained_at = world.clock.now_s()
    world.store.put(tune)
    _call_back(world, tune.callback, "tune", tune_wire(tune))
    for prompt in world.store.find(Prompt, oldest_first=True):
        if tune.number in prompt.subjects and prompt.trained_at is None:
            world.agenda.plan("astria_draw", prompt.id, GENERATING)


def _draw(world: World, number: str) -> None:
    prompt = world.store.get(Prompt, number)
    if prompt is None or prompt.trained_at:
        return
    photos = [photo for tune in _subjects(world, prompt) if tune for photo in tune.photos]
    for picture in range(prompt.num_images):
        photo = world.store.get(Picture, photos[picture % len(photos)]) if photos else None
        jpeg = drawing.made(photo.jpeg if photo else None, prompt.text, picture + 1)
        prompt.images.append(keep_picture(world, jpeg))
    prompt.started_at = prompt.trained_at = world.clock.now_s()
    world.store.put(prompt)
    _call_back(world, prompt.callback, "prompt", prompt_wire(prompt))


def _call_back(world: World, url: str, what: str, wire: dict[str, Any]) -> None:
    if url:
        world.webhooks.enqueue(provider="astria", event=f"{what}.done", url=url, body=json.dumps({what: wire}))


def _subjects(world: World, prompt: Prompt) -> list[Tune | None]:
    return [world.store.get(Tune, str(number)) for number in prompt.subjects]


def _texts_of(tune: Tune) -> list[str]:
    pack = PACKS.get(tune.pack)
    return [f"ohwx {tune.name}, {pack['title']}, scene {n + 1}" for n in range(pack["prompts"])] if pack else []


def _address(base: str, picture: str) -> str:
    return f"{base}{PICTURES}/{picture}.jpg"


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
