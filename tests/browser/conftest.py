"""A real Chromium before a real Airflow with its scheduler at work: both DAGs begin their backfills as it starts."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from tender_sync.sources import SOURCES
from tests.browser.pages import Browser
from tests.conftest import ROOT
from tests.served import served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.served import Airflow

# The first eight: without them Chromium does not start as root and without a screen, or asks its maker's hosts.
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--window-size=1500,1100",
)


@pytest.fixture(scope="session")
def chromium() -> tuple[str, str]:
    """The paths of Chromium and its driver."""
    found = shutil.which("chromium"), shutil.which("chromedriver")
    if not all(found):
        pytest.fail("no Chromium here: `apt-get install chromium chromium-driver` as root, then again", pytrace=False)
    return found


@pytest.fixture(scope="session")
def ui(chromium) -> Iterator[Airflow]:  # noqa: ARG001 - without it there is nothing to wait for
    # At this pace the backfills last so long that they can be watched.
    with served(SYNC_PACE_SECONDS="2.5") as airflow:
        for source in SOURCES.values():
            airflow.unpause(source.dag_id)
        yield airflow


@pytest.fixture(scope="session")
def start_browser(chromium, ui, tmp_path_factory) -> Callable[[], AbstractContextManager[Browser]]:
    binary, driver = chromium

    @contextmanager
    def start() -> Iterator[Browser]:
        options = ChromeOptions()
        options.binary_location = binary
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        for flag in (*_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
            options.add_argument(flag)
        chrome = Chrome(options, Service(driver))
        # Whoever looks is seldom in UTC.
        chrome.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Kolkata"})
        try:
            yield Browser(chrome, ui.address)
        finally:
            chrome.quit()

    return start


@pytest.fixture(scope="session")
def anna(start_browser) -> Iterator[Browser]:
    """The browser of the admin, logged in once for all tests."""
    with start_browser() as browser:
        browser.login("anna")
        yield browser


@pytest.fixture
def page(anna) -> Browser:
    """The page, opened in Airflow's UI as a person would, with the frame it is shown in selected."""
    anna.open_page()
    return anna


@pytest.fixture
def screenshots(tmp_path) -> Path:
    """Where screenshots go: to the folder that SCREENSHOTS names (see `make screenshots`), else nowhere."""
    return ROOT / os.environ["SCREENSHOTS"] if os.environ.get("SCREENSHOTS") else tmp_path
