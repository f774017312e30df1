"""The kit in a real Chromium: what only a browser can say (scripts, CSP, focus, sizes under a finger)."""

import os
import shutil
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.kernel.web_app import build

pytestmark = pytest.mark.e2e
_FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --hide-scrollbars"
)
_SMALL_TARGETS = """
return [...document.querySelectorAll('a, button, input:not([type=hidden]), select, summary')].filter(e => {
  const box = (e.closest('label') || e).getBoundingClientRect();
  return box.width > 0 && getComputedStyle(e).display !== 'inline' && !e.matches('.link') && box.height < 43.5;
}).map(e => e.outerHTML.slice(0, 100))
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(build(), host="127.0.0.1", port=0, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    driver = shutil.which("chromedriver")
    if driver is None or shutil.which("chromium") is None:
        if "CI" in os.environ:
            pytest.fail("chromium and chromedriver are needed here")
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in [*_FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(driver)) as browser:
        yield browser


class _Page:
    """One window of a given width, on an address."""

    def __init__(self, browser: webdriver.Chrome, address: str, width: int) -> None:
        self.browser, self.address = browser, address
        phone = width < 500
        metrics = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": phone}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": phone})

    def go(self, path: str) -> None:
        self.browser.get(self.address + path)

    def find(self, selector: str) -> WebElement:
        return WebDriverWait(self.browser, 10).until(lambda b: b.find_element(By.CSS_SELECTOR, selector))

    def reads(self, selector: str, text: str) -> None:
        """Wait until the element shows `text` (what fades in shows nothing at first)."""
        WebDriverWait(self.browser, 10).until(lambda b: text in self.find(selector).text, f"{selector}: {text}")

    def click(self, selector: str) -> None:
        found = self.find(selector)
        self.js("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", found)
        found.click()

    def js(self, script: str, *arguments: object) -> object:
        result: object = self.browser.execute_script(script, *arguments)
        return result

    def complaints(self) -> list[str]:
        lines = self.browser.get_log("browser")  # type: ignore[no-untyped-call]  # selenium leaves it untyped
        return [str(line["message"]) for line in lines]


@pytest.fixture(params=[390, 1280], ids=["phone", "desktop"])
def page(request: pytest.FixtureRequest, chromium: webdriver.Chrome, address: str) -> _Page:
    opened = _Page(chromium, address, request.param)
    opened.go("/page/site")
    chromium.delete_all_cookies()
    opened.complaints()
    return opened


@pytest.mark.parametrize("path", ["/console/kit", "/app", "/page/auth", "/page/site"])
@pytest.mark.parametrize("language", ["en", "hi", "he"])
def test_a_page_fits_its_window_and_breaks_no_rule(page: _Page, path: str, language: str) -> None:
    page.browser.add_cookie({"name": "language", "value": language})
    page.go(path)
    assert page.js("return document.documentElement.scrollWidth - innerWidth") == 0
    if page.js("return innerWidth < 500"):
        assert page.js(_SMALL_TARGETS) == []
    assert page.complaints() == []


def test_charts_are_drawn_and_their_numbers_stand_in_a_table(page: _Page) -> None:
    page.go("/console/kit")
    page.find("#chart-earnings [data-drawn] canvas")
    page.click("#chart-earnings summary")
    assert "₹1,080.00" in page.find("#chart-earnings table").text
    assert page.complaints() == []


def test_a_wrong_field_gets_the_focus_and_a_right_form_leads_on(page: _Page) -> None:
    page.go("/add")
    page.find("#amount").send_keys("12,5", Keys.ENTER)
    page.reads("#amount-error", "Write the amount in digits")
    WebDriverWait(page.browser, 10).until(lambda b: b.switch_to.active_element.get_attribute("id") == "amount")
    page.find("#amount").clear()
    page.find("#amount").send_keys("500", Keys.ENTER)
    page.reads("#toasts .toast", "Money added")
    assert page.browser.current_url.endswith("/app")


def test_a_failing_fragment_shows_a_toast_and_keeps_the_page(page: _Page) -> None:
    page.go("/app")
    page.click("#fail")
    page.reads("#toasts .toast", "never booked twice")
    assert page.find("#main h1").text == "Good morning, Ravi"


def test_dialogs_tabs_and_menus_obey_the_keyboard(page: _Page) -> None:
    page.go("/console/kit")
    page.click("[data-dialog=kit-dialog]")
    assert page.js("return document.getElementById('kit-dialog').open")
    page.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    WebDriverWait(page.browser, 10).until(lambda b: page.js("return !document.getElementById('kit-dialog').open"))
    page.click("#kit-one-tab")
    page.find("#kit-one-tab").send_keys(Keys.ARROW_RIGHT)
    assert page.find("#kit-two").is_displayed()
    assert not page.find("#kit-one").is_displayed()
    page.click("#main details.menu > summary")
    page.find("#main details.menu > summary").send_keys(Keys.ARROW_DOWN)
    assert page.browser.switch_to.active_element.text == "Receipt"
    page.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert page.js("return document.activeElement.tagName") == "SUMMARY"


def test_a_code_takes_digits_alone_and_a_password_can_be_seen(page: _Page) -> None:
    page.go("/console/kit")
    page.find("#blank-code").send_keys("12a345678")
    assert page.find("#blank-code").get_attribute("value") == "123456"
    page.click("[aria-controls=blank-password]")
    assert page.find("#blank-password").get_attribute("type") == "text"


def test_the_theme_is_there_before_the_first_paint(page: _Page) -> None:
    page.go("/app?theme=dark")
    assert page.js("return document.documentElement.className") == "dark"
    assert page.js("return getComputedStyle(document.body).backgroundColor") != "rgb(249, 250, 252)"
