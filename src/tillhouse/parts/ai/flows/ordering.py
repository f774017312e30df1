"""Pictures that people order by themselves: from photos that were looked at, and where what they spend is guarded."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from tillhouse.kernel.errors import FieldError, Forbidden, InvalidInput
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.text import N_
from tillhouse.parts.ai.domain.calls import PICTURES, Owner, Use
from tillhouse.parts.ai.domain.failures import ModelFailure, as_error
from tillhouse.parts.ai.domain.images import ImageJob, ImageKind, ImageOrder, Pack, PackOrder, PromptOrder
from tillhouse.parts.ai.flows.photos import require_good
from tillhouse.parts.ai.ports.spending import Quote, SpendGuard
from tillhouse.parts.ai.service import images


async def order_pictures(
    house: House, person_id: UUID, wanted: ImageOrder, *, key: str, forgive: bool = False
) -> ImageJob:
    """Take a person's own order, once for each `key`. Must not be called in a transaction.

    Photos are checked first (`forgive` lets all pass that can be read), and of a pack it is asked how many pictures it
    has, because that is what its price is for. Raises `Forbidden` where nobody guards what is spent, `InvalidInput`
    naming photos and what is wrong with them, and what `images.order` raises.
    """
    async with house.database.reading() as session:
        if taken := await images.keyed(session, person_id, key):
            return taken
    _guard_of(house)
    if isinstance(wanted, PackOrder):
        wanted = replace(wanted, pictures=await _pictures_of(house, wanted.pack, wanted.subject))
    if not isinstance(wanted, PromptOrder):
        await require_good(house, person_id, wanted.photos, forgive=forgive)
    async with house.database.transaction() as session:
        return await images.order(session, _use(person_id), wanted, key=key)


async def price_of(
    house: House, person_id: UUID, kind: ImageKind, *, pack: str = "", subject: str = "", pictures: int = 1
) -> Quote:
    """What an order would take from this person at the most. Must not be called in a transaction.

    `pictures` is asked of a prompt alone: a tune is one training, and a pack has as many as its maker says. Raises as
    `order_pictures` does.
    """
    guard = _guard_of(house)
    pieces = {"tune": 1, "prompt": pictures}.get(kind) or await _pictures_of(house, pack, subject)
    planned = images.planned(house, images.maker_in(house), _use(person_id), kind, pieces, call_id=new_id())
    async with house.database.reading() as session:
        return await guard.quote(session, planned)


async def packs(house: House) -> Sequence[Pack]:
    """What the maker of pictures offers. Must not be called in a transaction.

    Raises `ModelUnavailable` where there is no maker, `TransientError` and `ModelRefused` as calls to models do.
    """
    maker = images.maker_in(house).endpoint
    try:
        return await maker.packs()
    except ModelFailure as failure:
        raise as_error(failure, maker.name) from failure


def _guard_of(house: House) -> SpendGuard:
    for guard in house.provided(SpendGuard):
        return guard
    raise Forbidden(N_("Pictures cannot be ordered here yet: how they are paid for has not been set up."))


def _use(person_id: UUID) -> Use:
    return Use(Owner("person", person_id), PICTURES)


async def _pictures_of(house: House, wanted: str, subject: str) -> int:
    for pack in await packs(house):
        if pack.id == wanted and subject in pack.pictures:
            return pack.pictures[subject]
    message = N_("There is no such pack for this subject. Choose one of those that are offered.")
    raise InvalidInput(message, errors=[FieldError("/pack", "unknown_pack", message)])
