"""Pages of DrivoPay, one file per thing a driver does."""

from fastapi import APIRouter

from tillhouse.products.drivopay.pages import add_money, earnings, home, site, wallet, withdraw

router = APIRouter(prefix="/drivopay")
for part in (site, home, earnings, wallet, add_money, withdraw):
    router.include_router(part.router)
