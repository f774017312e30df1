"""What a process knows of the endpoints that it calls: which are set up, which are failing, what they cost."""

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from prometheus_client import Counter, Gauge, Histogram

from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.ai.domain.breaking import Breaker
from tillhouse.parts.ai.domain.calls import Amounts, CallKind
from tillhouse.parts.ai.domain.deadlines import Deadlines
from tillhouse.parts.ai.domain.failures import (
    COUNTS_AGAINST_ENDPOINT,
    SAFE_TO_REPEAT,
    ModelFailure,
    UnknownModel,
    as_error,
)
from tillhouse.parts.ai.domain.prices import PriceList
from tillhouse.parts.ai.ports.chat import ChatEndpoint, InstalledChat
from tillhouse.parts.ai.ports.embedding import EmbeddingEndpoint, InstalledEmbedding
from tillhouse.parts.ai.ports.speech import InstalledTranscription, TranscriptionEndpoint
from tillhouse.parts.ai.settings import AISettings

_CALLS = Counter("ai_calls_total", "Tries at models", ["kind", "model", "outcome"])
_TOKENS = Counter("ai_tokens_total", "Tokens that models read and wrote", ["model", "direction"])
_FIRST = Histogram(
    "ai_first_token_seconds", "Time to the first piece of an answer", ["model"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30),
)  # fmt: skip
_OPEN = Gauge("ai_breaker_open", "1 while an endpoint that kept failing is left alone", ["endpoint"])

_PAUSE = 0.25  # seconds before the second try; twice as long before each further one
_MOST_PAUSE = 5.0  # an endpoint that asks for more patience is passed over for the next model

E = TypeVar("E", ChatEndpoint, TranscriptionEndpoint, EmbeddingEndpoint)
_Installed = InstalledChat | InstalledTranscription | InstalledEmbedding


class Switchboard:
    """One per process, provided by the manifest."""

    def __init__(self, prices: PriceList, settings: AISettings, now: Callable[[], float] = time.monotonic) -> None:
        self.prices = prices
        self.settings = settings
        self.now = now
        self._breakers: dict[str, Breaker] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def breaker(self, endpoint: str) -> Breaker:
        """The breaker of an endpoint."""
        settings = self.settings
        fresh = Breaker(settings.breaker_failures, settings.breaker_seconds)
        return self._breakers.setdefault(endpoint, fresh)

    def open_breakers(self) -> list[str]:
        """Endpoints that are left alone at the moment, by name."""
        now = self.now()
        return sorted(name for name, one in self._breakers.items() if one.state(now) != "closed")

    def record(self, kind: CallKind, model: str, outcome: str, failure: ModelFailure | None, amounts: Amounts) -> None:
        """Count a try, and tell the endpoint's breaker what it shows of the endpoint."""
        endpoint = model.partition("/")[0]
        breaker = self.breaker(endpoint)
        if failure and failure.trouble in COUNTS_AGAINST_ENDPOINT:
            breaker.failed(self.now())
        elif outcome == "done" or failure:
            breaker.succeeded()
        _OPEN.labels(endpoint).set(breaker.state(self.now()) != "closed")
        _CALLS.labels(kind, model, outcome).inc()
        _TOKENS.labels(model, "input").inc(amounts.input)
        _TOKENS.labels(model, "output").inc(amounts.output)

    def record_first(self, model: str, seconds: float) -> None:
        """Count how long the first piece of an answer took."""
        _FIRST.labels(model).observe(seconds)

    async def see_through(self, ending: Coroutine[None, None, None]) -> None:
        """Have something done to its end, though whoever waits for it is cancelled meanwhile."""
        task = asyncio.create_task(ending)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        await asyncio.shield(task)

    async def close(self) -> None:
        """Wait for what is being written down."""
        while self._ending:
            with suppress(Exception):
                await asyncio.wait(set(self._ending))


class Tries(Generic[E]):
    """Who is asked next. The same model again only where that is safe, then the next of the chain; never past the end
    of time, and never an endpoint that is being left alone."""

    def __init__(self, board: Switchboard, chain: Sequence[tuple[str, E]], deadlines: Deadlines) -> None:
        self._board = board
        self._chain: list[tuple[str, E]] = list(chain)
        self._ends = board.now() + deadlines.total
        self._tried = 0
        self.count = 0

    @property
    def left(self) -> float:
        """Seconds that are left for the whole."""
        return self._ends - self._board.now()

    async def next(self, failure: ModelFailure | None) -> tuple[str, E]:
        """The model to ask, after `failure` of the one before. Raises the error that callers see when there is none."""
        if failure and not await self._may_repeat(failure):
            self._pass_over()
        while self._chain and self.left > 0:
            model, endpoint = self._chain[0]
            if self._board.breaker(endpoint.name).admits(self._board.now()):
                self._tried += 1
                self.count += 1
                return model, endpoint
            self._pass_over()
        last = failure or ModelFailure("down", "left_alone")
        raise as_error(last, self._last_model) from failure

    _last_model = ""

    def _pass_over(self) -> None:
        self._last_model = self._chain.pop(0)[0]
        self._tried = 0

    async def _may_repeat(self, failure: ModelFailure) -> bool:
        if failure.trouble not in SAFE_TO_REPEAT or self._tried >= self._board.settings.tries:
            return False
        asked = failure.retry_after
        pause = _PAUSE * 2 ** (self._tried - 1) if asked is None else asked
        if pause > min(_MOST_PAUSE, self.left):
            return False
        await asyncio.sleep(pause)
        return True


def chat_chain(house: House, names: Sequence[str] = ()) -> list[tuple[str, ChatEndpoint]]:
    """The models to ask, in order: those named, else those of the setting, else each endpoint's own.

    Raises `UnknownModel`.
    """
    found = sorted(house.provided(InstalledChat), key=lambda one: one.last)
    endpoints = {one.endpoint.name: one.endpoint for one in found}
    wanted = list(names or house.settings_of(AISettings).chat_models) or list(_defaults(found))
    return [(model, endpoints[_known(model, endpoints)]) for model in wanted]


def speech_chain(house: House, names: Sequence[str] = ()) -> list[tuple[str, TranscriptionEndpoint]]:
    """As `chat_chain`, for those that listen."""
    found = sorted(house.provided(InstalledTranscription), key=lambda one: one.last)
    endpoints = {one.endpoint.name: one.endpoint for one in found}
    wanted = list(names or house.settings_of(AISettings).speech_models) or list(_defaults(found))
    return [(model, endpoints[_known(model, endpoints)]) for model in wanted]


def embedding_model(house: House) -> tuple[str, EmbeddingEndpoint, int | None] | None:
    """The one model that makes vectors, and their length where it is known; None: this house has none."""
    found = sorted(house.provided(InstalledEmbedding), key=lambda one: one.last)
    endpoints = {one.endpoint.name: one for one in found}
    model = house.settings_of(AISettings).embedding_model or next(iter(_defaults(found)), "")
    if not model:
        return None
    installed = endpoints[_known(model, endpoints)]
    own = model == f"{installed.endpoint.name}/{installed.default_model}"
    return model, installed.endpoint, installed.dimensions if own else None


def _defaults(found: Sequence[_Installed]) -> Iterator[str]:
    return (f"{one.endpoint.name}/{one.default_model}" for one in found if one.default_model)


def _known(model: str, endpoints: Collection[str]) -> str:
    name, slash, rest = model.partition("/")
    if name not in endpoints or not slash or not rest:
        raise UnknownModel(
            N_("{model} is not set up here. Models are written endpoint/model; endpoints: {known}."),
            model=model,
            known=", ".join(sorted(endpoints)) or "–",
        )
    return name


@dataclass(frozen=True, slots=True)
class Listed:
    """An endpoint of this house as staff see it. `models` are its own defaults, by what they do."""

    name: str
    models: Sequence[tuple[CallKind, str]]
    left_alone: bool


def listed(house: House) -> list[Listed]:
    """Every endpoint that is set up, the order of asking kept."""
    alone = set(house.the(Switchboard).open_breakers())
    found: dict[str, list[tuple[CallKind, str]]] = {}
    kinds: tuple[tuple[CallKind, Sequence[_Installed]], ...] = (
        ("chat", sorted(house.provided(InstalledChat), key=lambda one: one.last)),
        ("transcription", sorted(house.provided(InstalledTranscription), key=lambda one: one.last)),
        ("embedding", sorted(house.provided(InstalledEmbedding), key=lambda one: one.last)),
    )
    for kind, installed in kinds:
        for one in installed:
            models = found.setdefault(one.endpoint.name, [])
            if one.default_model:
                models.append((kind, one.default_model))
    return [Listed(name, models, name in alone) for name, models in found.items()]
