"""A browser at Airflow's UI, as a person uses it: log in, open the page, read it, follow its links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
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
        self.click("button[type=submit]")
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

    def click(self, selector: str) -> None:
        """Click the first such element, and another one if it has just been replaced."""

        def clicked() -> bool:
            self.chrome.find_element(By.CSS_SELECTOR, selector).click()
            return True

        self.until(clicked, f"{selector} to be clicked")

    def all(self, selector: str) -> list[WebElement]:
        return self.chrome.find_elements(By.CSS_SELECTOR, selector)

    def text(self, text: str) -> WebElement:
        """Find the innermost element with exactly this text."""
        return self.until(lambda: self.chrome.find_element(By.XPATH, f"//*[normalize-space(text())={text!r}]"), text)

    def said(self, selector: str) -> str:
        """Read the text of the first such element, "" without one, in one step: the page may be drawn anew any time."""
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def fact(self, source: str, name: str) -> str:
        """Read a fact of a source."""
        return self.said(f'section[data-source="{source}"] [data-fact="{name}"]')

    def run(self, script: str, *arguments: str) -> Any:
        return self.chrome.execute_script(script, *arguments)

    def until(self, condition: Callable[[], Any], what: str, seconds: float = SECONDS) -> Any:
        """Wait until `condition` gives something true, and return it."""

        def look(_chrome: Chrome) -> Any:
            return condition()

        # What is asked of an element that is being replaced; that it stays so is told by the time-out.
        ignored = (WebDriverException,)
        waiting = WebDriverWait(self.chrome, seconds, poll_frequency=0.2, ignored_exceptions=ignored)
        return waiting.until(look, f"waited {seconds:.0f} s in vain for {what}")


class TriggerForm:
    """Airflow's form to trigger a DAG, opened on the DAG's page."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        browser.chrome.switch_to.default_content()
        browser.text("Trigger").click()
        browser.text("Run Parameters")

    def choose(self, mode: str) -> None:
        field = self._browser.find("[role=dialog] input[role=combobox]")
        field.send_keys(f"{mode}: ")
        self._browser.until(lambda: field.get_attribute("aria-expanded") == "true", "the list of modes")
        field.send_keys(Keys.ENTER)
        chosen = self._browser.find("input[name=element_mode]")
        self._browser.until(lambda: chosen.get_attribute("value") == mode, f"mode {mode} to be chosen")

    def fill_in(self, label: str, text: str) -> None:
        field = self._browser.chrome.find_element(
            By.XPATH, f"//*[normalize-space(text())={label!r}]/following::input[1]"
        )
        field.send_keys(text)

    def trigger(self) -> None:
        buttons = [each for each in self._browser.all("[role=dialog] button") if each.text.strip() == "Trigger"]
        buttons[-1].click()
        self._browser.until(lambda: "/runs/manual__" in self._browser.chrome.current_url, "the new run's page")
