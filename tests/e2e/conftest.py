"""The house as `till up` runs it, once for all tests here, and a real Chromium in front of it."""

import base64
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "screenshots"
PATIENCE = 30.0  # seconds; the house shares two cores with whatever else runs
START_SECONDS = 120.0
_FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --lang=en"
)
_SMALL_TARGETS = """
return [...document.querySelectorAll('a, button, input:not([type=hidden]), select, summary')].filter(e => {
  const box = (e.closest('label') || e).getBoundingClientRect();
  return box.width > 0 && getComputedStyle(e).display !== 'inline' && !e.matches('.link') && box.height < 43.5;
}).map(e => e.outerHTML.slice(0, 120))
"""
_TRANSFERRED = """
return performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource'))
  .map(e => [e.name, e.transferSize])
"""


@dataclass(frozen=True)
class Town:
    """Where the running house and its sandbox answer; `pid` is of the process that has started all others."""

    web: str
    sandbox: str
    pid: int = 0

    def newest_code(self, to: str) -> str:
        """The one-time code in the newest message to an address, as soon as it is there."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            messages = httpx.get(f"{self.sandbox}/_sandbox/inbox", params={"to": to}).raise_for_status().json()
            for message in messages:
                digits = [word.strip(".,:") for word in message["body"].split()]
                codes = [word for word in digits if len(word) == 6 and word.isdigit()]
                if codes:
                    return codes[0]
        raise AssertionError(f"no code came for {to}")


@dataclass
class Screen:
    """One browser at one width, theme and language. `find` and `reads` wait for what they look for."""

    browser: webdriver.Chrome
    town: Town
    width: int = 390
    theme: str = "light"
    language: str = "en"

    @property
    def label(self) -> str:
        return f"{'phone' if self.width < 500 else 'desktop'}-{self.theme}-{self.language}"

    def set_up(self) -> None:
        """Nobody is signed in, and the choices of this screen are made."""
        self._window()
        self.browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": self.width < 500})
        self.go("/sign-in")
        self.browser.delete_all_cookies()
        self.browser.add_cookie({"name": "theme", "value": self.theme})
        self.browser.add_cookie({"name": "language", "value": self.language})
        self.complaints()

    def go(self, path: str) -> None:
        self.browser.get(self.town.web + path)

    def find(self, selector: str) -> WebElement:
        wait = WebDriverWait(self.browser, PATIENCE)
        return wait.until(lambda b: b.find_element(By.CSS_SELECTOR, selector), f"no {selector} at {self.where}")

    def gone(self, selector: str) -> None:
        wait = WebDriverWait(self.browser, PATIENCE)
        wait.until_not(lambda b: b.find_elements(By.CSS_SELECTOR, selector), f"{selector} stays at {self.where}")

    def reads(self, selector: str, text: str) -> None:
        """Wait until the element shows `text`."""
        wait = WebDriverWait(self.browser, PATIENCE, ignored_exceptions=[Exception])
        wait.until(
            lambda b: text in b.find_element(By.CSS_SELECTOR, selector).text, f"{selector}: {text} at {self.where}"
        )

    def arrives(self, path: str) -> None:
        """Wait until the address begins with `path`."""
        wait = WebDriverWait(self.browser, PATIENCE)
        wait.until(lambda b: self.where.startswith(path), f"not at {path}")

    def click(self, selector: str) -> None:
        found = self.find(selector)
        self.js("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", found)
        found.click()

    def type(self, selector: str, text: str) -> None:
        found = self.find(selector)
        found.clear()
        found.send_keys(text)

    def js(self, script: str, *arguments: object) -> Any:
        return self.browser.execute_script(script, *arguments)

    @property
    def where(self) -> str:
        return self.browser.current_url.removeprefix(self.town.web)

    def complaints(self) -> list[str]:
        """What the console says since the last time it was asked: blocked by the policy, missing, thrown."""
        lines: list[dict[str, Any]] = self.browser.get_log("browser")  # type: ignore[no-untyped-call]  # selenium's own
        return [str(line["message"]) for line in lines if line["level"] in ("SEVERE", "WARNING")]

    def shoot(self, name: str) -> None:
        """Keep the whole page as a picture for whoever looks at it, once everything is drawn."""
        WebDriverWait(self.browser, PATIENCE).until(
            lambda b: not b.find_elements(By.CSS_SELECTOR, "[data-chart]:not([data-drawn])")
        )
        SCREENSHOTS.mkdir(exist_ok=True)
        self._window(int(self.js("return Math.max(document.documentElement.scrollHeight, innerHeight)")))
        shot = self.browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
        self._window()
        (SCREENSHOTS / f"{name}-{self.label}.png").write_bytes(base64.b64decode(shot["data"]))

    def _window(self, height: int = 0) -> None:
        phone = self.width < 500
        usual = 844 if phone else 900
        metrics = {"width": self.width, "height": max(height, usual), "mobile": phone, "deviceScaleFactor": 1}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def fits(self) -> None:
        """Nothing sticks out of the window; on a phone every target is large enough for a thumb."""
        # Not against innerWidth: a phone zooms out until what sticks out is within it.
        assert self.js("return document.documentElement.scrollWidth") <= self.width, self.where
        if self.width < 500:
            assert self.js(_SMALL_TARGETS) == [], self.where

    def transferred(self, path: str) -> int:
        """Bytes that a browser which has never been here loads to show `path`."""
        self.browser.execute_cdp_cmd("Network.clearBrowserCache", {})
        self.go(path)
        WebDriverWait(self.browser, PATIENCE).until(
            lambda b: not b.find_elements(By.CSS_SELECTOR, "[data-chart]:not([data-drawn])")
        )
        return sum(size for _, size in self.js(_TRANSFERRED))

    # what people do

    def sign_in_as_demo(self, address: str) -> None:
        """One click in development."""
        self.go("/dev/sign-in")
        self.click(f'form[action*="{address.split("@", maxsplit=1)[0]}"] button')
        self.gone('form[action*="/dev/sign-in"]')

    def register(self, start: str) -> str:
        """From the form to the first page behind it; the address of the new person."""
        address = f"asha-{uuid4().hex[:10]}@example.com"
        self.type("#full_name", "Asha Rao")
        self.type("#identifier", address)
        self.shoot("register")
        self.click("main form button[type=submit]")
        self.arrives("/confirm")
        self.find("#code").send_keys(self.town.newest_code(address))  # the form goes by itself
        self.arrives(start)
        return address


def _free_port() -> int:
    """A port that is free, as those are that go with it: the sandbox on the next, its mail 25 above."""
    for _ in range(50):
        with socket.socket() as first:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
        if port + 25 < 65_536 and all(_is_free(port + offset) for offset in (0, 1, 25)):
            return port
    raise AssertionError("no three ports are free")


def free_ports(number: int) -> list[int]:
    """Ports that are free now, all different."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """`till up` with demo people, on ports and in a folder of its own."""
    port, folder = _free_port(), tmp_path_factory.mktemp("house")
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR", "USER")}
    command = [sys.executable, "-m", "tillhouse.apps.cli", "up", "--port", str(port), "--data", str(folder / "data")]
    with (folder / "output.txt").open("wb") as output:
        house = subprocess.Popen(
            command, cwd=folder, env={**kept, "PYTHONPATH": str(ROOT / "src")}, stdout=output, stderr=output
        )
    found = Town(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}", house.pid)
    try:
        _wait_until_open(house, found, folder / "output.txt")
        yield found
    finally:
        house.send_signal(signal.SIGTERM)
        house.wait(20)


def _wait_until_open(house: "subprocess.Popen[bytes]", town: Town, output: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if house.poll() is not None:
            break
        try:
            if httpx.get(f"{town.web}/health/ready", timeout=2).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)  # between two looks at something that has no other sign of being ready
    pytest.fail(f"the house did not open:\n{output.read_text(errors='replace')}")


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    driver = shutil.which("chromedriver")
    if driver is None or shutil.which("chromium") is None:
        if "CI" in os.environ:
            pytest.fail("chromium and chromedriver are needed here: apt-get install chromium chromium-driver")
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in [*_FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(driver)) as browser:
        browser.set_page_load_timeout(PATIENCE)
        yield browser


LOOKS = [(390, "light", "en"), (390, "dark", "hi"), (1280, "dark", "en"), (1280, "light", "hi")]
ALL_LOOKS = [(width, theme, tag) for width in (390, 1280) for theme in ("light", "dark") for tag in ("en", "hi")]


def look_id(look: tuple[int, str, str]) -> str:
    return "-".join(map(str, look))


@pytest.fixture(params=LOOKS, ids=look_id)
def screen(request: pytest.FixtureRequest, town: Town, chromium: webdriver.Chrome) -> Screen:
    """A fresh visitor at one of the looks; `indirect` parameters ask for others."""
    width, theme, language = request.param
    found = Screen(chromium, town, width, theme, language)
    found.set_up()
    return found
