"""What the house knows of kyc."""

from pathlib import Path

from tillhouse.kernel.manifest import Module

MODULE = Module(
    name="kyc",
    title="KYC",
    floor="part",
    folder=Path(__file__).parent,
    requires=(
        "identity",
        "files",
    ),
)
