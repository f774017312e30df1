"""What the house knows of ai."""

from pathlib import Path

from tillhouse.kernel.manifest import Module

MODULE = Module(
    name="ai",
    title="AI",
    floor="part",
    folder=Path(__file__).parent,
    requires=("files",),
)
