"""`/v1/charges`: the tries of payment intents."""

from typing import Annotated

from fastapi import APIRouter, Depends

from tillhouse.sandbox.stripe.calls import PREFIX, Calling, StripeRoute
from tillhouse.sandbox.stripe.events import emit
from tillhouse.sandbox.stripe.forms import params
from tillhouse.sandbox.stripe.listing import expandable, find, list_of, listed, on_demand, searched, shown
from tillhouse.sandbox.stripe.payment_schemas import Charge, ChargeQuery, ChargeUpdate, Refund
from tillhouse.sandbox.stripe.schemas import Params, SearchQuery, Wire, merged
from tillhouse.sandbox.world import World

router = APIRouter(prefix=f"{PREFIX}/v1/charges", route_class=StripeRoute)


def _refunds_of(world: World, charge_id: str) -> Wire:
    refunds = world.store.find(Refund, {"charge": charge_id})
    return list_of([refund.wire() for refund in refunds], f"/v1/charges/{charge_id}/refunds")


expandable("ch", Charge)
expandable("py", Charge)
on_demand("charge", "refunds", _refunds_of)


@router.get("")
async def list_charges(call: Calling, query: Annotated[ChargeQuery, Depends(params(ChargeQuery))]) -> Wire:
    """Charges, newest first."""
    where = query.model_dump(include={"customer", "payment_intent", "transfer_group"})
    return listed(call, Charge, query, where, "/v1/charges")


@router.get("/search")
async def search_charges(call: Calling, query: Annotated[SearchQuery, Depends(params(SearchQuery))]) -> Wire:
    """Charges by metadata, status, amount and so on."""
    return searched(call, Charge, query, "/v1/charges/search")


@router.get("/{charge_id}")
async def get_charge(call: Calling, charge_id: str, query: Annotated[Params, Depends(params(Params))]) -> Wire:
    """One charge."""
    return shown(call, find(call.world, Charge, charge_id, call.account), query)


@router.post("/{charge_id}")
async def update_charge(
    call: Calling, charge_id: str, body: Annotated[ChargeUpdate, Depends(params(ChargeUpdate))]
) -> Wire:
    """Change what is said of a charge."""
    charge = find(call.world, Charge, charge_id, call.account)
    charge.metadata = merged(charge.metadata, body.metadata)
    charge.description = body.description or charge.description
    charge.receipt_email = body.receipt_email or charge.receipt_email
    with call.world.store.transaction():
        call.world.store.put(charge)
        emit(call.world, "charge.updated", charge)
    return shown(call, charge, body)
