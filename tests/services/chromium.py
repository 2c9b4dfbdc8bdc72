"""A real headless Chromium for tests, driven by selenium: installed by apt where that is possible.

The browser records each network request and each line of its console. A conftest.py imports the
fixtures `one_browser` and `browser` from here.
"""

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PACKAGES = ("chromium", "chromium-driver", "fonts-dejavu-core")
INSIDE = ("data:", "blob:", "chrome:")  # what a page holds itself, and the browser's first page
INSTALL_TIMEOUT_S = 600  # only ends what hangs; a usual install takes half a minute
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # root in a container has none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-unsafe-swiftshader",  # WebGL without a graphics card, for plotly's parallel axes
)


@dataclass(frozen=True)
class Page:
    """What a page did since it was opened: the requests it made and what its console says."""

    requests: list[str]
    console: list[str]


def find_browser() -> tuple[str, str] | str:
    """Find Chromium and its driver, installing both by apt if that is allowed.

    Returns:
        The two paths, or the reason why there is none.
    """
    if paths := _paths():
        return paths
    if not (hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get")):
        return "no chromium and chromedriver on the PATH, and no right to install them by apt"
    lock = Path(tempfile.gettempdir()) / "ermlab-apt.lock"  # one of the test processes installs
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if paths := _paths():
            return paths
        said = ""
        for words in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
            done = subprocess.run(
                ["apt-get", "-qq", *words],
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                timeout=INSTALL_TIMEOUT_S,
            )  # fmt: skip
            said = (done.stderr or done.stdout).strip()[-300:]
        return _paths() or f"apt-get install {' '.join(PACKAGES)} failed: {said}"


def _paths() -> tuple[str, str] | None:
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


@contextmanager
def browse(paths: tuple[str, str], profile: Path, flags: Sequence[str] = ()) -> Iterator[Any]:
    """Give a selenium driver of a fresh browser.

    Args:
        paths: of Chromium and its driver, from `find_browser`.
        profile: an empty folder of its own, which the browser fills.
        flags: further words for its command line.
    """
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = paths[0]
    for flag in (*FLAGS, f"--user-data-dir={profile}", *flags):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(paths[1]))
    try:
        yield driver
    finally:
        driver.quit()


def read_page(driver: Any) -> Page:
    """Read what the page did since the last call: requests other than its own file, console."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    sent = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    console = [f"{entry['level']}: {entry['message']}" for entry in driver.get_log("browser")]
    own = driver.current_url.partition("#")[0]
    return Page([url for url in sent if url != own and not url.startswith(INSIDE)], console)


def wait_until_drawn(driver: Any) -> None:
    """Wait until the page has drawn what it draws after loading, or after its width changed."""
    driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")


def set_width(driver: Any, width: int, height: int = 900) -> None:
    """Make the page as wide as a window of so many CSS pixels."""
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
    )


def emulate(driver: Any, *, scheme: str = "light", media: str = "") -> None:
    """Make the page believe in a colour scheme (light, dark) and a medium (print, or screen)."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


@pytest.fixture(scope="session")
def one_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give a real headless Chromium, one for all tests of a process; skips where there is none."""
    paths = find_browser()
    if isinstance(paths, str):
        pytest.skip(paths)
    with browse(paths, tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def browser(one_browser: Any) -> Any:
    """Give the browser with an empty page, light colours and nothing recorded."""
    one_browser.get("about:blank")
    emulate(one_browser)
    set_width(one_browser, 1100)
    read_page(one_browser)
    return one_browser
