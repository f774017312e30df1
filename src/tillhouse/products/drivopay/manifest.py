"""What the house knows of DrivoPay."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from fastapi import APIRouter

from tillhouse.kernel.access import Permission
from tillhouse.kernel.house import House
from tillhouse.kernel.manifest import Demo, Module, NavItem, Process
from tillhouse.kernel.text import N_
from tillhouse.products.drivopay.settings import DrivopaySettings


def _api() -> APIRouter:
    from tillhouse.products.drivopay.http import router

    return router


def _pages() -> APIRouter:
    from tillhouse.products.drivopay.pages import router

    return router


def _models() -> ModuleType:
    from tillhouse.products.drivopay import models

    return models


def _provides(house: House) -> Sequence[object]:
    from tillhouse.parts.identity.api import Erasure
    from tillhouse.products.drivopay.service import erase

    return (Erasure("drivopay", erase),)


def _demo() -> Demo:
    from tillhouse.products.drivopay.demo import seed

    return Demo(seed)


MODULE = Module(
    name="drivopay",
    title="DrivoPay",
    floor="product",
    folder=Path(__file__).parent,
    requires=("identity", "ledger", "wallets", "payments", "channels"),
    settings=(DrivopaySettings,),
    api_roots=("/earnings", "/expenses"),
    api=_api,
    pages=_pages,
    models=_models,
    nav=(
        NavItem(N_("Home"), "/drivopay/home", "house", permission="drivopay.read", order=10),
        NavItem(N_("Wallet"), "/drivopay/wallet", "wallet", permission="drivopay.read", order=20),
        NavItem(N_("Add"), "/drivopay/add-money", "plus", permission="drivopay.pay", order=30),
        NavItem(N_("Earnings"), "/drivopay/earnings", "car", permission="drivopay.read", order=40),
        NavItem(N_("Account"), "/account", "user", permission="identity.me", order=50),
    ),
    permissions=(
        Permission("drivopay.read", "See one's own earnings and expenses", frozenset({"user"})),
        Permission("drivopay.write", "Write one's own earnings and expenses down", frozenset({"user"})),
        Permission("drivopay.pay", "Add money to one's own wallet and withdraw it", frozenset({"user"})),
    ),
    processes=(Process("drivopay", "web", most=4),),
    provides=_provides,
    demo=_demo,
    accent="drivopay",
    icon="car",
    tagline=N_("Earnings, expenses and a wallet for people who drive and deliver in India."),
)
