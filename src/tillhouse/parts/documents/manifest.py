"""What the house knows of documents."""

from pathlib import Path

from tillhouse.kernel.manifest import Module

MODULE = Module(
    name="documents",
    title="Documents",
    floor="part",
    folder=Path(__file__).parent,
    requires=("files",),
)
