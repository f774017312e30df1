"""Showing what a model said, in this house."""

from tillhouse.kernel.house import House
from tillhouse.parts.ai.domain.rendering import as_safe_html
from tillhouse.parts.ai.settings import AISettings


def shown(house: House, text: str) -> str:
    """Markup of a model's markdown that loads nothing; links lead only where AI_LINK_HOSTS allows. Mark it safe."""
    return as_safe_html(text, house.settings_of(AISettings).link_hosts)
