"""A real Chromium, as wide as a phone."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from selenium import webdriver
from selenium.common.exceptions import (
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
    WebDriverException,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

needs_chromium = [
    pytest.mark.e2e,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver"),
]


@contextmanager
def chromium() -> Iterator[webdriver.Chrome]:
    """A browser of 390 by 844 points, closed afterwards."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=390,844"):
        options.add_argument(argument)
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield chrome
    finally:
        chrome.quit()


@dataclass
class Person:
    """Someone at a browser, who waits for what they look for."""

    browser: webdriver.Chrome

    def press(self, words: str, *, within: str = "main") -> None:
        """Press the button, link or summary that begins with these words."""
        roles = "self::button or self::a or self::summary"
        place = f"//{within}//*[{roles}][starts-with(normalize-space(.), '{words}')]"

        def pressed(browser: webdriver.Chrome) -> bool:
            shown = [element for element in browser.find_elements(By.XPATH, place) if element.is_displayed()]
            if shown:
                shown[0].click()
            return bool(shown)

        self.waits_for(pressed)

    def types(self, field: str, text: str) -> None:
        """Put this into the field of that id, in place of what is there."""

        def typed(browser: webdriver.Chrome) -> bool:
            element = browser.find_element(By.ID, field)
            element.clear()
            element.send_keys(text)
            return True

        self.waits_for(typed)

    def reads(self, words: str) -> None:
        """See these words somewhere on the page."""
        self.waits_for(lambda browser: words in browser.find_element(By.TAG_NAME, "body").text)

    def is_at(self, address: str) -> None:
        """Arrive at this address."""
        self.waits_for(lambda browser: browser.current_url == address)

    def waits_for(self, condition: Callable[[webdriver.Chrome], bool]) -> None:
        """Look until it is so; a page on its way is no obstacle."""
        on_its_way = (StaleElementReferenceException, NoSuchElementException, ElementNotInteractableException)

        def met(browser: webdriver.Chrome) -> bool:
            try:
                return condition(browser)
            except WebDriverException as error:
                if "does not belong to the document" in (error.msg or ""):
                    return False  # the page went on while it was looked at
                raise

        WebDriverWait(self.browser, 10, ignored_exceptions=on_its_way).until(met)
