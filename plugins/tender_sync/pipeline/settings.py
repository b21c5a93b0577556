"""What the environment may override: where a history begins, and the pace of requests."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime

from tender_sync.clock import Clock
from tender_sync.errors import FixSetup
from tender_sync.sources.base import Source
from tender_sync.timestamps import parse_timestamp

# What is earlier can only be a slip, or a year that would not be read back as it is written down.
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LONGEST_PACE = 3600.0  # seconds: one request a run


@dataclass(frozen=True)
class Settings:
    """Where a history begins, and the pace in seconds: `burst` requests may start in any `burst * pace` seconds."""

    backfill_start: datetime
    pace: float
    burst: int


def read_settings(source: Source, clock: Clock) -> Settings:
    """Read BACKFILL_START_DATE and SYNC_PACE_SECONDS from the environment; without them the source's own values.

    A pace from the environment is kept between any two requests (a burst of 1).

    :raises FixSetup: one of them cannot be used
    """
    start, pace, burst = source.history_start, source.pace, source.burst
    if text := os.environ.get("BACKFILL_START_DATE"):
        start = parse_timestamp(text, "BACKFILL_START_DATE")
        if not _EARLIEST <= start <= clock.now():
            raise FixSetup(f"BACKFILL_START_DATE is {text!r}; expected a past date, from {_EARLIEST:%Y-%m-%d} on")
    if text := os.environ.get("SYNC_PACE_SECONDS"):
        burst = 1
        try:
            pace = float(text)
        except ValueError:
            pace = -1.0
        if not 0 <= pace <= _LONGEST_PACE:
            raise FixSetup(f"SYNC_PACE_SECONDS is {text!r}; expected seconds between requests, from 0 to 3600")
    return Settings(start, pace, burst)
