"""What the house knows of wallets."""

from collections.abc import Sequence
from pathlib import Path

from fastapi import APIRouter

from tillhouse.kernel.access import Permission
from tillhouse.kernel.house import House
from tillhouse.kernel.live import LiveTopic
from tillhouse.kernel.manifest import Module, Process
from tillhouse.kernel.text import N_
from tillhouse.parts.wallets.settings import WalletsSettings


def _api() -> APIRouter:
    from tillhouse.parts.wallets.http import router

    return router


def _provides(house: House) -> Sequence[object]:
    from tillhouse.parts.identity.api import Erasure, ErasureVeto, OrganisationClosing
    from tillhouse.parts.ledger.api import AccountKind, AccountWatcher
    from tillhouse.parts.wallets.domain import ACCOUNT_CODE
    from tillhouse.parts.wallets.service import (
        close_organisation,
        close_wallets,
        reasons_to_keep,
        reasons_to_keep_organisation,
        tell_of_change,
    )

    return (
        AccountKind(
            owner_kind="person", code=ACCOUNT_CODE, number="2100", type="liability", floor=0, title=N_("Wallet")
        ),
        AccountKind(
            owner_kind="organisation", code=ACCOUNT_CODE, number="2120", type="liability", floor=0, title=N_("Wallet")
        ),
        AccountWatcher("person", ACCOUNT_CODE, tell_of_change),
        LiveTopic("wallets", "wallets.read"),
        ErasureVeto("wallets", reasons_to_keep),
        Erasure("wallets", close_wallets),
        OrganisationClosing("wallets", reasons_to_keep_organisation, close_organisation),
    )


MODULE = Module(
    name="wallets",
    title="Wallets",
    floor="part",
    folder=Path(__file__).parent,
    requires=("identity", "ledger", "documents"),
    settings=(WalletsSettings,),
    api_roots=("/wallets",),
    api=_api,
    permissions=(Permission("wallets.read", "See one's own wallets and their movements", frozenset({"user"})),),
    processes=(Process("wallets", "web", most=4),),
    provides=_provides,
)
