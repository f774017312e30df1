"""Astria: tunes, prompts and packs (https://docs.astria.ai)."""

from collections.abc import Sequence

from tillhouse.kernel.health import answers_at
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.ai.ports.images import InstalledImages
from tillhouse.parts.ai.providers.astria.images import AstriaImages
from tillhouse.parts.ai.providers.astria.settings import AstriaSettings

TITLES = {
    "astria": "Astria",
    "astria/tune": N_("Astria, lessons"),
    "astria/prompt": N_("Astria, pictures"),
    "astria/pack": N_("Astria, packs"),
}


def install(house: House) -> Sequence[object]:
    """The maker of pictures, where it is set up."""
    settings = house.settings_of(AstriaSettings)
    base = settings.base_in(house.settings.sandbox_url)
    if not base:
        return ()
    return (InstalledImages(AstriaImages(house.outbound, settings, base)), answers_at("astria", base))
