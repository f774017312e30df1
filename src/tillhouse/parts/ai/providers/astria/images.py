"""Pictures by Astria. It has no idempotency keys and no states: an order is found again by the title or the callback
that it was given, and where it stands follows from which of its times are set.

A LoRA's pictures are made on the base tune, which the LoRA is named to in the text.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from tillhouse.kernel.outbound import Answer, Outbound, Upload
from tillhouse.parts.ai.domain.failures import ModelFailure
from tillhouse.parts.ai.domain.images import Asked, Pack, Standing
from tillhouse.parts.ai.providers.answers import Progress, refusal, translated
from tillhouse.parts.ai.providers.astria.settings import AstriaSettings
from tillhouse.parts.ai.providers.astria.wire import PackObject, Prompt, Tune

T = TypeVar("T")

_SECONDS = 35.0  # Astria itself gives up after 30
_MOST_BYTES = 40_000_000
_PAGE = "120"
_TUNE, _PROMPT, _PACK = TypeAdapter(Tune), TypeAdapter(Prompt), TypeAdapter(PackObject)
_TUNES, _PROMPTS, _PACKS = TypeAdapter(list[Tune]), TypeAdapter(list[Prompt]), TypeAdapter(list[PackObject])


class AstriaImages:
    """One account of Astria, or the sandbox in its place."""

    name = "astria"

    def __init__(self, outbound: Outbound, settings: AstriaSettings, base: str) -> None:
        self._outbound = outbound
        self._settings = settings
        self._base = base

    async def begin(self, asked: Asked) -> str:
        """Send an order; Astria's number of it."""
        if asked.kind == "prompt":
            answer = await self._call("POST", f"/tunes/{self._home_of(asked)}/prompts", form=self._prompt(asked))
            return str(_read(_PROMPT, answer).id)
        path = f"/p/{asked.pack}/tunes" if asked.kind == "pack" else "/tunes"
        uploads = [Upload("tune[images][]", one.name, one.content, one.media_type) for one in asked.photos]
        answer = await self._call("POST", path, form=self._tune(asked), uploads=uploads)
        return str(_read(_TUNE, answer).id)

    async def find(self, asked: Asked) -> str | None:
        """The newest tune of this title, or the prompt that calls back where this order is told of."""
        if asked.kind == "prompt":
            answer = await self._call("GET", f"/tunes/{self._home_of(asked)}/prompts", params={"limit": _PAGE})
            found = next((one.id for one in _read(_PROMPTS, answer) if one.callback == asked.callback), None)
        else:
            answer = await self._call("GET", "/tunes", params={"limit": _PAGE})
            found = next((one.id for one in _read(_TUNES, answer) if one.title == str(asked.id)), None)
        return None if found is None else str(found)

    async def look(self, asked: Asked, external_id: str) -> Standing | None:
        """Where it stands by its times; a pack is ready once all of its pictures are."""
        if asked.kind == "prompt":
            found = await self._maybe(f"/tunes/{self._home_of(asked)}/prompts/{external_id}", _PROMPT)
            if found is None:
                return None
            ours = str(asked.id) if found.callback == asked.callback else ""
            return Standing("ready" if found.trained_at else "generating", found.images, ours)
        tune = await self._maybe(f"/tunes/{external_id}", _TUNE)
        if tune is None:
            return None
        if tune.trained_at is None:
            return Standing("training" if tune.started_training_at else "queued", (), tune.title)
        if asked.kind == "tune":
            return Standing("ready", (), tune.title)
        answer = await self._call("GET", f"/tunes/{external_id}/prompts", params={"limit": _PAGE})
        prompts = _read(_PROMPTS, answer)
        done = bool(prompts) and all(one.trained_at for one in prompts)
        pictures = [address for one in prompts for address in one.images]
        return Standing("ready", pictures, tune.title) if done else Standing("generating", (), tune.title)

    async def cancel(self, asked: Asked, external_id: str) -> None:
        """Delete it, and with a tune its photos. What is gone already is gone."""
        home = f"/tunes/{self._home_of(asked)}/prompts" if asked.kind == "prompt" else "/tunes"
        await self._call("DELETE", f"{home}/{external_id}", gone_is_fine=True)

    async def fetch(self, address: str) -> bytes:
        """A picture. Only over https, or from where Astria itself answers; our key goes to neither."""
        parts, own = urlsplit(address), urlsplit(self._base)
        if parts.scheme != "https" and (parts.scheme, parts.netloc) != (own.scheme, own.netloc):
            raise ModelFailure("nonsense", "picture_address")
        with translated(Progress()):
            answer = await self._outbound.send("astria", "GET", address, timeout=_SECONDS)
        if not answer.ok:
            raise refusal(answer.status, answer.headers, b"")
        if len(answer.body) > _MOST_BYTES:
            raise ModelFailure("nonsense", "picture_size")
        return answer.body

    async def packs(self) -> Sequence[Pack]:
        """The packs that anyone may order."""
        answer = await self._call("GET", "/packs", params={"public": "true", "listed": "true"})
        return [await self._pack(one) for one in _read(_PACKS, answer)]

    async def _pack(self, listed: PackObject) -> Pack:
        """A pack with how many pictures it has of whom. A list need not say that; the pack itself does."""
        whole = listed if listed.costs else await self._maybe(f"/p/{listed.id}", _PACK) or listed
        pictures = {kind: cost.num_images for kind, cost in whole.costs.items()}
        return Pack(str(listed.id), listed.title, listed.cover_url or whole.cover_url or "", pictures)

    def _home_of(self, asked: Asked) -> str:
        return asked.tune if self._settings.branch == "fast" else self._settings.base_tune

    def _tune(self, asked: Asked) -> dict[str, str]:
        form = {
            "tune[title]": str(asked.id),
            "tune[name]": asked.subject,
            "tune[callback]": asked.callback,
            "tune[branch]": self._settings.branch,
        }
        if asked.kind == "pack":
            form["tune[prompt_attributes][callback]"] = asked.callback
        elif self._settings.branch != "fast":
            form |= {
                "tune[model_type]": "lora",
                "tune[preset]": "flux-lora-portrait",
                "tune[base_tune_id]": self._settings.base_tune,
            }
        return form | {f"tune[characteristics][{key}]": value for key, value in asked.characteristics.items()}

    def _prompt(self, asked: Asked) -> dict[str, str]:
        lora = "" if self._settings.branch == "fast" else f"<lora:{asked.tune}:1> "
        return {
            "prompt[text]": f"{lora}{asked.text}",
            "prompt[num_images]": str(asked.pictures),
            "prompt[callback]": asked.callback,
        }

    async def _maybe(self, path: str, adapter: TypeAdapter[T]) -> T | None:
        answer = await self._call("GET", path, gone_is_fine=True)
        return None if answer.status == 404 else _read(adapter, answer)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        form: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        uploads: Sequence[Upload] = (),
        gone_is_fine: bool = False,
    ) -> Answer:
        headers = {"Authorization": f"Bearer {self._settings.api_key}"}
        with translated(Progress()):
            answer = await self._outbound.send(
                "astria", method, f"{self._base}{path}", form=form, params=params, headers=headers, uploads=uploads,
                timeout=_SECONDS,
            )  # fmt: skip
        if answer.ok or (gone_is_fine and answer.status == 404):
            return answer
        if answer.status == 422:
            raise ModelFailure("refused", f"http_422:{_fields(answer.body)}")
        if answer.status == 504:  # it may have been taken all the same
            raise ModelFailure("late", "http_504")
        raise refusal(answer.status, answer.headers, answer.body)


def _fields(body: bytes) -> str:
    """The names of the fields that were refused; what was said of them may quote what a person wrote."""
    try:
        found = json.loads(body)
    except ValueError:
        return ""
    return ",".join(sorted(str(name)[:40] for name in found)) if isinstance(found, dict) else ""


def _read(adapter: TypeAdapter[T], answer: Answer) -> T:
    try:
        return adapter.validate_json(answer.body)
    except ValidationError:
        raise ModelFailure("nonsense", "shape") from None
