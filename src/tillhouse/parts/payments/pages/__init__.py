"""Pages of payments: the page on which an order is paid, the receipt, and what staff see of it all."""

from fastapi import APIRouter

from tillhouse.parts.payments.pages import console, paying, receipts

router = APIRouter()
router.include_router(paying.router)
router.include_router(receipts.router)
router.include_router(console.router)
