"""How previews of messages look: every language and example at hand, on a phone and a desk, light and dark."""

import asyncio

import pytest
from selenium import webdriver

from tests.e2e.conftest import Screen, Town, chromium, look_id
from tests.parts.channels.receiver import Office
from tests.parts.channels.test_webhook_look import LOOKS, _come_in, _look, at, office, web
from tests.parts.channels.test_webhook_pages import sit_down

__all__ = ["at", "chromium", "office", "web"]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

HOME = "/console/channels/templates"


@pytest.mark.parametrize("look", LOOKS, ids=look_id)
async def test_previews_fit_and_break_no_rule(
    office: Office, web: str, chromium: webdriver.Chrome, look: tuple[int, str, str]
) -> None:
    screen = Screen(chromium, Town(web, ""), *look)
    await asyncio.to_thread(_come_in, screen, await sit_down(office))
    pages = {
        "templates": HOME,
        "template-he": f"{HOME}/identity.organisation_changed?locale=he&example=handed%20on",
        "template-th": f"{HOME}/identity.code?locale=th&example=reset",
    }
    await asyncio.to_thread(_look, screen, pages)
