"""Pages on which to look at tunes and their pictures, to finish them at once and to have them never end."""

import base64
from typing import Literal

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict

from tillhouse.sandbox.astria import working
from tillhouse.sandbox.astria.schemas import Picture, Prompt, Tune
from tillhouse.sandbox.rendering import answer, done, wish_of
from tillhouse.sandbox.world import Here

router = APIRouter()

_TUNES = "/_sandbox/astria/tunes"
_SHOWN = 50


class Wish(BaseModel):
    """`stop`: it hangs and never ends, as a training that fails does at Astria; `lose`: it is gone."""

    model_config = ConfigDict(extra="forbid")

    outcome: Literal["stop", "lose"]


@router.get(_TUNES)
async def tunes(request: Request, world: Here) -> Response:
    """Tunes with their photos, and prompts with their pictures."""
    found = world.store.find(Tune, limit=_SHOWN)
    prompts = world.store.find(Prompt, limit=_SHOWN)
    context = {"tunes": found, "prompts": prompts, "pictures": working.PICTURES}
    twin = {
        "tunes": [working.tune_wire(one) | {"stuck": one.stuck} for one in found],
        "prompts": [working.prompt_wire(one) for one in prompts],
    }
    return answer(request, "astria/tunes.html", context, twin)


@router.post(_TUNES + "/{tune_id}")
async def decide(request: Request, world: Here, tune_id: str) -> Response:
    """Have a tune hang, or be gone."""
    wish, tune = await wish_of(request, Wish), world.store.get(Tune, tune_id)
    if tune is None:
        raise HTTPException(404, "There is no such tune.")
    with world.store.transaction():
        if wish.outcome == "lose":
            working.forget(world, tune)
        else:
            world.store.put(tune.model_copy(update={"stuck": True}))
    return done(request, wish, _TUNES)


@router.get(working.PICTURES + "/{picture_id}.jpg")
async def picture(world: Here, picture_id: str) -> Response:
    """A photo or a picture."""
    found = world.store.get(Picture, picture_id)
    if found is None:
        raise HTTPException(404, "There is no such picture.")
    return Response(base64.b64decode(found.jpeg), media_type="image/jpeg")
