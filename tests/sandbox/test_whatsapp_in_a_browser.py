"""The phone of WhatsApp in a real Chromium."""

from typing import Any

import httpx
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.sandbox.browsing import Person, needs_chromium
from tests.sandbox.serving import serving
from tillhouse.sandbox.app import create_sandbox
from tillhouse.sandbox.settings import SandboxSettings

pytestmark = needs_chromium

SETTINGS = SandboxSettings(clock_scale=100_000)
NUMBER = f"/whatsapp/v23.0/{SETTINGS.whatsapp_phone_number_id}"
CHAT = "/_sandbox/whatsapp/cloud:919845012345"

ASK = {"type": "button", "body": {"text": "Shall we begin?"}, "action": {"buttons": [
    {"type": "reply", "reply": {"id": "yes", "title": "Yes, begin"}},
    {"type": "reply", "reply": {"id": "no", "title": "Not now"}}]}}  # fmt: skip
CHOOSE = {"type": "list", "body": {"text": "Which pack?"}, "action": {"button": "See the packs", "sections": [
    {"title": "Packs", "rows": [{"id": "p1", "title": "Business", "description": "Suit and office"}]}]}}  # fmt: skip


def test_somebody_types_presses_and_picks_and_sees_what_is_newest(browser: webdriver.Chrome) -> None:
    with serving(create_sandbox(SETTINGS)) as sandbox:

        def the_house_says(content: dict[str, Any]) -> None:
            message = {"messaging_product": "whatsapp", "to": "919845012345", **content}
            headers = {"Authorization": f"Bearer {SETTINGS.whatsapp_token}"}
            assert httpx.post(f"{sandbox}{NUMBER}/messages", json=message, headers=headers).is_success

        def said() -> list[tuple[str, str]]:
            return [(one["type"], one["text"]) for one in chat()["messages"] if one["mine"]]

        def chat() -> dict[str, Any]:
            found: dict[str, Any] = httpx.get(f"{sandbox}{CHAT}").json()
            return found

        person = Person(browser)
        browser.get(f"{sandbox}/_sandbox/whatsapp")
        person.press("Open the chat")
        person.reads("Nothing is said yet")
        person.types("text", "Hello, how does it work?" + Keys.ENTER)
        person.waits_for(lambda _: said() == [("text", "Hello, how does it work?")])
        the_house_says({"type": "text", "text": {"body": "Send us some photos.\n" * 40}})
        the_house_says({"type": "interactive", "interactive": ASK})
        person.press("Yes, begin")
        the_house_says({"type": "interactive", "interactive": CHOOSE})
        person.press("See the packs")
        person.press("Business")
        person.waits_for(lambda _: [text for _, text in said()][1:] == ["Yes, begin", "Business"])
        person.waits_for(lambda _: len(browser.find_elements(By.CSS_SELECTOR, ".bubble.mine")) == 3)
        composer, newest = (browser.find_element(By.CSS_SELECTOR, one) for one in (".composer", ".bubble:last-child"))
        person.waits_for(lambda _: newest.rect["y"] + newest.rect["height"] <= composer.rect["y"])
        width = browser.execute_script("return document.documentElement.scrollWidth - innerWidth")
        assert width == 0
        assert {one["status"] for one in chat()["messages"] if not one["mine"]} == {"read"}
