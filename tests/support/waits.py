"""Waiting for what happens in other processes and threads."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def until(condition: Callable[[], Any], what: str, seconds: float = 60.0, *, every: float = 0.05) -> Any:
    """Wait until a condition is met, and return what it gives; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (met := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(every)
    return met
