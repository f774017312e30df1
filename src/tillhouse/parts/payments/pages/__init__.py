"""Pages of payments: the page on which an order is paid, and the receipt."""

from fastapi import APIRouter

from tillhouse.parts.payments.pages import paying, receipts

router = APIRouter()
router.include_router(paying.router)
router.include_router(receipts.router)
