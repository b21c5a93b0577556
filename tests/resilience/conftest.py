"""The resilience tests: their quick core by default, all of them with `--long`; one line a case, a table at the end.

`--seed` is the first of the seeds of what is random here; each case names its own.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.dags.conftest import metadata
from tests.integration.conftest import connect, make_world, prepared, source, world_db

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "connect",
    "make_world",
    "metadata",
    "prepared",
    "source",
    "world_db",
]  # pytest finds fixtures by being imported


@dataclass
class Told:
    """What a case is called and what it found out."""

    group: str
    case: str
    facts: str = ""
    passed: bool = False
    seconds: float = field(default_factory=lambda: -time.monotonic())


_TOLD = pytest.StashKey[Told]()
_ALL = pytest.StashKey[list[Told]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_ALL] = []
    config.addinivalue_line("markers", "long: too slow for the quick core (tests/resilience, --long)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--long"):
        long = [item for item in items if item.get_closest_marker("long")]
        items[:] = [item for item in items if item not in long]
        config.hook.pytest_deselected(items=long)


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Name the case, then add what it found: `tell("fault matrix", "429 …")`, `tell(facts="…")`."""

    def say(group: str = "", case: str = "", facts: str = "") -> None:
        if group:
            request.node.stash[_TOLD] = Told(group, case)
        request.node.stash[_TOLD].facts = facts

    return say


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report: pytest.TestReport = yield
    told = item.stash.get(_TOLD, None)
    if told is not None and call.when == "call":
        told.passed = report.passed
        told.seconds = call.duration
        item.config.stash[_ALL].append(told)
        if item.config.getoption("--long"):
            state = "pass" if told.passed else "FAIL"
            line = f"{state}  {told.group:<14} {told.case:<82} {told.seconds:5.1f} s  {told.facts}"
            item.config.get_terminal_writer().line(line)
    return report


def pytest_report_teststatus(report: pytest.TestReport, config: pytest.Config) -> tuple[str, str, str] | None:
    if config.getoption("--long") and report.passed and report.when == "call":
        return "passed", "", ""
    return None


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if not config.getoption("--long"):
        return
    groups = defaultdict(list)
    for told in config.stash[_ALL]:
        groups[told.group].append(told)
    terminalreporter.section("resilience")
    write = terminalreporter.write_line
    write(f"{'':<16}{'cases':>7}{'passed':>8}{'failed':>8}{'seconds':>9}")
    for group, cases in [*groups.items(), ("all", config.stash[_ALL])]:
        passed = sum(told.passed for told in cases)
        seconds = sum(told.seconds for told in cases)
        write(f"{group:<16}{len(cases):>7}{passed:>8}{len(cases) - passed:>8}{seconds:>9.0f}")
    write(f"seeds from {config.getoption('--seed')} on (make test-resilience SEED=…)")
