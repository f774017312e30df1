"""Pages of payments: the page on which an order is paid, the receipt, an organisation's money, and what staff see."""

from fastapi import APIRouter

from tillhouse.parts.payments.pages import console, organisations, paying, receipts

router = APIRouter()
router.include_router(paying.router)
router.include_router(receipts.router)
router.include_router(organisations.router)
router.include_router(console.router)
