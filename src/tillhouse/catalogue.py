"""Every module of the house, in the order it is shown and started. A sixth product is one line here."""

from tillhouse.kernel.manifest import Module
from tillhouse.parts.ai.manifest import MODULE as AI
from tillhouse.parts.billing.manifest import MODULE as BILLING
from tillhouse.parts.channels.manifest import MODULE as CHANNELS
from tillhouse.parts.documents.manifest import MODULE as DOCUMENTS
from tillhouse.parts.files.manifest import MODULE as FILES
from tillhouse.parts.identity.manifest import MODULE as IDENTITY
from tillhouse.parts.kyc.manifest import MODULE as KYC
from tillhouse.parts.ledger.manifest import MODULE as LEDGER
from tillhouse.parts.payments.manifest import MODULE as PAYMENTS
from tillhouse.parts.wallets.manifest import MODULE as WALLETS
from tillhouse.products.drivopay.manifest import MODULE as DRIVOPAY

CATALOGUE: tuple[Module, ...] = (
    IDENTITY,
    LEDGER,
    FILES,
    DOCUMENTS,
    AI,
    WALLETS,
    KYC,
    CHANNELS,
    PAYMENTS,
    BILLING,
    DRIVOPAY,
)
