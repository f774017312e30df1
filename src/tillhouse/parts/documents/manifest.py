"""What the house knows of documents."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tillhouse.kernel.house import House
from tillhouse.kernel.manifest import Module
from tillhouse.parts.documents.settings import DocumentsSettings

if TYPE_CHECKING:
    from tillhouse.parts.documents.ports import Press


def _provides(house: House) -> Sequence[object]:
    from tillhouse.parts.documents.ports import InstalledPress

    settings = house.settings_of(DocumentsSettings)

    @cache
    def load() -> "Press":
        from tillhouse.parts.documents.providers.typst.press import TypstPress

        press = TypstPress(workers=settings.workers, fonts_folder=settings.fonts_folder)
        house.on_close(press.close)
        return press

    return (InstalledPress(load),)


MODULE = Module(
    name="documents",
    title="Documents",
    floor="part",
    folder=Path(__file__).parent,
    settings=(DocumentsSettings,),
    provides=_provides,
)
