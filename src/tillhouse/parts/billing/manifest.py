"""What the house knows of billing."""

from pathlib import Path

from tillhouse.kernel.manifest import Module

MODULE = Module(
    name="billing",
    title="Billing",
    floor="part",
    folder=Path(__file__).parent,
    requires=(
        "payments",
        "wallets",
        "ledger",
        "identity",
    ),
)
