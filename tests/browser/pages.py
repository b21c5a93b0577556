"""A browser at Airflow's UI, as a person uses it: log in, open the page, read it, follow its links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

if TYPE_CHECKING:
    from collections.abc import Callable

    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

SECONDS = 30.0


class Browser:
    """`chrome` at the UI of `address`; elements are found by CSS selectors or by their text."""

    def __init__(self, chrome: Chrome, address: str) -> None:
        self.chrome = chrome
        self.address = address

    def login(self, name: str) -> None:
        self.chrome.get(self.address)
        self.find("input[name=username]").send_keys(name)
        self.find("input[name=password]").send_keys(f"{name}-password")
        self.find("button[type=submit]").click()
        self.until(lambda: "/auth/" not in self.chrome.current_url, "the login to end")

    def open_page(self) -> None:
        """Open the page by Airflow's navigation, and select the frame in which it is shown."""
        self.chrome.switch_to.default_content()
        self.chrome.get(self.address)
        self.text("Tender sync").click()
        self.chrome.switch_to.frame(self.find("iframe"))
        self.find("section[data-source]")

    def find(self, selector: str) -> WebElement:
        return self.until(lambda: self.chrome.find_element(By.CSS_SELECTOR, selector), selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.chrome.find_elements(By.CSS_SELECTOR, selector)

    def text(self, text: str) -> WebElement:
        """Find the innermost element with exactly this text."""
        return self.until(lambda: self.chrome.find_element(By.XPATH, f"//*[normalize-space(text())={text!r}]"), text)

    def fact(self, source: str, name: str) -> str:
        """Read a fact of a source; the page is drawn anew every few seconds, so the element may just have gone."""
        selector = f'section[data-source="{source}"] [data-fact="{name}"]'

        def read() -> str:
            found = self.chrome.find_elements(By.CSS_SELECTOR, selector)
            return found[0].text if found else ""

        return self.steadily(read)

    def steadily(self, read: Callable[[], Any]) -> Any:
        for _ in range(5):
            try:
                return read()
            except StaleElementReferenceException:
                continue
        return read()

    def run(self, script: str) -> Any:
        return self.chrome.execute_script(script)

    def until(self, condition: Callable[[], Any], what: str, seconds: float = SECONDS) -> Any:
        """Wait until `condition` gives something true, and return it."""

        def look(_chrome: Chrome) -> Any:
            return condition()

        ignored = (StaleElementReferenceException,)
        waiting = WebDriverWait(self.chrome, seconds, poll_frequency=0.2, ignored_exceptions=ignored)
        return waiting.until(look, f"waited {seconds:.0f} s in vain for {what}")
