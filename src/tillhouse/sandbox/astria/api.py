"""Astria's REST API: forms or JSON, `.json` at the end or not."""

import base64
import hmac
import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.datastructures import FormData, UploadFile

from tillhouse.sandbox.astria import drawing, working
from tillhouse.sandbox.astria.errors import AstriaError, not_found, unprocessable
from tillhouse.sandbox.astria.schemas import Prompt, Tune
from tillhouse.sandbox.world import Here, World

PREFIX = "/astria"
BASE_TUNES = (1504944, 690204)  # Flux1.dev and Realistic Vision: everyone's
_MOST_PHOTOS = 20
_NAMES = ("man", "woman", "cat", "dog", "boy", "girl", "style", "person", "couple", "object")
_BRANCHES = ("flux1", "sdxl1", "sd15", "fast")


def _authorised(world: Here, authorization: Annotated[str, Header()] = "") -> None:
    given = authorization.removeprefix("Bearer ")
    if not hmac.compare_digest(given.encode(), world.settings.astria_api_key.encode()):
        raise AstriaError(401, {"error": "You need to sign in or sign up before continuing."})


router = APIRouter(prefix=PREFIX, dependencies=[Depends(_authorised)])


@router.post("/tunes", status_code=201)
@router.post("/tunes.json", status_code=201, include_in_schema=False)
async def create_tune(request: Request, world: Here) -> Response:
    """Teach a tune. One of the same title is the same one."""
    return await _new_tune(request, world, "")


@router.post("/p/{pack_id}/tunes", status_code=201)
async def create_tune_from_pack(request: Request, world: Here, pack_id: str) -> Response:
    """Teach a tune, and make all pictures of a pack."""
    if pack_id not in working.PACKS:
        raise not_found()
    return await _new_tune(request, world, pack_id)


@router.get("/tunes")
@router.get("/tunes.json", include_in_schema=False)
async def list_tunes(
    world: Here,
    offset: Annotated[int, Query(ge=0, le=200)] = 0,
    limit: Annotated[int, Query(ge=1, le=120)] = 20,
) -> list[dict[str, Any]]:
    """Tunes, newest first."""
    return [working.tune_wire(tune) for tune in world.store.find(Tune, limit=limit, skip=offset)]


@router.get("/tunes/{tune_id}")
async def show_tune(world: Here, tune_id: str) -> dict[str, Any]:
    """One tune."""
    return working.tune_wire(_tune(world, tune_id))


@router.delete("/tunes/{tune_id}")
async def delete_tune(world: Here, tune_id: str) -> dict[str, Any]:
    """Delete a tune with everything that hangs on it."""
    tune = _tune(world, tune_id)
    with world.store.transaction():
        working.forget(world, tune)
    return {}


@router.post("/tunes/{tune_id}/prompts", status_code=201)
async def create_prompt(request: Request, world: Here, tune_id: str) -> Response:
    """Make pictures. The same words, seed and callback are the same prompt."""
    home, fields = _home(world, tune_id), (await _sent(request, "prompt"))[0]
    text, callback = _text(fields, "text"), _text(fields, "callback")
    if not text:
        raise unprocessable("text", "can't be blank")
    number = _whole(fields, "num_images", 4)
    if not 1 <= number <= 8:
        raise unprocessable("num_images", "must be in 1..8")
    named = working.subjects_in(text)
    if any(world.store.get(Tune, str(one)) is None for one in named):
        raise unprocessable("text", "refers to a tune that does not exist")
    seed = _whole(fields, "seed", -1)
    _check_callback(world, callback)
    for known in world.store.find(Prompt, {"tune": home, "text": text, "callback": callback}):
        if known.seed == (None if seed < 0 else seed) and known.num_images == number:
            return JSONResponse(working.prompt_wire(known), 201)
    prompt = Prompt(
        id=str(made := working.next_number(world)),
        created_at=world.clock.now_s(),
        number=made,
        tune=home,
        base=_base(request),
        text=text,
        callback=callback,
        num_images=number,
        seed=None if seed < 0 else seed,
        subjects=named or ([] if home in BASE_TUNES else [home]),
    )
    with world.store.transaction():
        working.new_prompt(world, prompt)
    return JSONResponse(working.prompt_wire(prompt), 201)


@router.get("/tunes/{tune_id}/prompts")
async def list_prompts(
    world: Here,
    tune_id: str,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=120)] = 20,
) -> list[dict[str, Any]]:
    """Prompts of a tune, newest first."""
    found = world.store.find(Prompt, {"tune": _home(world, tune_id)}, limit=limit, skip=offset)
    return [working.prompt_wire(prompt) for prompt in found]


@router.get("/tunes/{tune_id}/prompts/{prompt_id}")
async def show_prompt(world: Here, tune_id: str, prompt_id: str) -> dict[str, Any]:
    """One prompt."""
    return working.prompt_wire(_prompt(world, tune_id, prompt_id))


@router.delete("/tunes/{tune_id}/prompts/{prompt_id}")
async def delete_prompt(world: Here, tune_id: str, prompt_id: str) -> dict[str, Any]:
    """Delete a prompt and its pictures."""
    prompt = _prompt(world, tune_id, prompt_id)
    with world.store.transaction():
        working.forget_prompt(world, prompt)
    return {}


@router.get("/packs")
@router.get("/gallery/packs")
async def packs() -> list[dict[str, Any]]:
    """What may be ordered."""
    return [_pack_wire(pack) for pack in working.PACKS.values()]


@router.get("/p/{pack_id}")
async def show_pack(pack_id: str) -> dict[str, Any]:
    """One pack."""
    if pack_id not in working.PACKS:
        raise not_found()
    return _pack_wire(working.PACKS[pack_id])


@router.post("/images/inspect")
async def inspect(request: Request) -> dict[str, Any]:
    """What a photo shows, in the words of `characteristics`; by brightness alone, since nobody looks at it here."""
    fields, files = await _sent(request, "")
    if not files and not _text(fields, "file_url"):
        raise unprocessable("file", "can't be blank")
    if files and drawing.received(files[0]) is None:
        raise unprocessable("file", "is not an image")
    return {
        "name": _text(fields, "name") or "woman",
        "age": "young_adult",
        "glasses": "none",
        "hair_color": "black",
        "hair_length": "long",
        "blurry": False,
        "selfie": False,
        "includes_multiple_people": False,
        "wearing_sunglasses": False,
    }


async def _new_tune(request: Request, world: World, pack: str) -> Response:
    fields, files = await _sent(request, "tune")
    title, name, branch = _text(fields, "title"), _text(fields, "name"), _text(fields, "branch") or "flux1"
    if not title:
        raise unprocessable("title", "can't be blank")
    if name not in _NAMES:
        raise unprocessable("name", "is not included in the list")
    if branch not in _BRANCHES:
        raise unprocessable("branch", "is not included in the list")
    callback = _text(fields, "callback")
    _check_callback(world, callback)
    for known in world.store.find(Tune, {"title": title}):
        return JSONResponse(working.tune_wire(known), 201)
    photos = _photos(files)
    with world.store.transaction():
        tune = Tune(
            id=str(number := working.next_number(world)),
            created_at=world.clock.now_s(),
            number=number,
            base=_base(request),
            title=title,
            name=name,
            branch=branch,
            callback=callback,
            pack=pack,
            photos=[working.keep_picture(world, photo) for photo in photos],
            characteristics={key: str(value) for key, value in _inner(fields, "characteristics").items()},
        )
        working.new_tune(world, tune)
    return JSONResponse(working.tune_wire(tune), 201)


def _photos(files: list[bytes]) -> list[str]:
    if not files:
        raise unprocessable("images", "can't be blank")
    if len(files) > _MOST_PHOTOS:
        raise unprocessable("images", f"at most {_MOST_PHOTOS} are allowed")
    photos = [drawing.received(content) for content in files]
    if None in photos:
        raise unprocessable("images", "is not an image")
    return [photo for photo in photos if photo]


async def _sent(request: Request, root: str) -> tuple[Mapping[str, Any], list[bytes]]:
    """The fields below `root`, and the files; JSON carries files as data URLs in `images`."""
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            document = json.loads(await request.body())
        except ValueError:
            raise AstriaError(400, {"error": "Bad Request"}) from None
        fields = document.get(root, {}) if root and isinstance(document, dict) else document
        if not isinstance(fields, dict):
            raise AstriaError(400, {"error": f"param is missing or the value is empty: {root}"})
        return fields, [_data_url(one) for one in fields.get("images", []) if isinstance(one, str)]
    async with request.form() as form:
        return _nested(form, root), await _files(form)


async def _files(form: FormData) -> list[bytes]:
    return [await value.read() for _, value in form.multi_items() if isinstance(value, UploadFile)]


def _nested(form: FormData, root: str) -> dict[str, Any]:
    """Rails' names: `tune[title]`, `tune[characteristics][hair]`."""
    fields: dict[str, Any] = {}
    for name, value in form.multi_items():
        path = [part.rstrip("]") for part in name.split("[")]
        if root and path[0] != root:
            continue
        path = path[1:] if root else path
        if isinstance(value, str) and len(path) == 1:
            fields[path[0]] = value
        elif isinstance(value, str) and len(path) == 2:
            fields.setdefault(path[0], {})[path[1]] = value
    return fields


def _data_url(text: str) -> bytes:
    try:
        return base64.b64decode(text.partition("base64,")[2] or text, validate=True)
    except ValueError:
        return b""


def _check_callback(world: World, url: str) -> None:
    if url and not world.settings.may_call(url):
        raise unprocessable("callback", "is not reachable from this sandbox")


def _tune(world: World, tune_id: str) -> Tune:
    found = world.store.get(Tune, tune_id.removesuffix(".json"))
    if found is None:
        raise not_found()
    return found


def _home(world: World, tune_id: str) -> int:
    plain = tune_id.removesuffix(".json")
    return int(plain) if plain in map(str, BASE_TUNES) else _tune(world, tune_id).number


def _prompt(world: World, tune_id: str, prompt_id: str) -> Prompt:
    home, found = _home(world, tune_id), world.store.get(Prompt, prompt_id.removesuffix(".json"))
    if found is None or found.tune != home:
        raise not_found()
    return found


def _pack_wire(pack: Mapping[str, Any]) -> dict[str, Any]:
    pictures = pack["prompts"] * 2
    cost = {"cost": 100 * pictures, "num_images": pictures}
    return {
        "id": pack["id"],
        "slug": pack["slug"],
        "title": pack["title"],
        "cover_url": None,
        "costs": {"man": cost, "woman": cost},
        "prompts_per_class": {"man": pack["prompts"], "woman": pack["prompts"]},
    }


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return str(value).strip() if isinstance(value, str | int) else ""


def _whole(fields: Mapping[str, Any], name: str, default: int) -> int:
    text = _text(fields, name)
    if not text:
        return default
    if not text.isdigit():
        raise unprocessable(name, "is not a number")
    return int(text)


def _inner(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}
