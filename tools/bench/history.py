"""A whole history of one source in memory, and the API that lists it.

A release is only an id and an ocid, which is all that paging needs. The answers are bytes in the real form, which the
real `PageClient` reads.
"""

from __future__ import annotations

import base64
import json
import zlib
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from tender_sync.sources import FIND_A_TENDER
from tools.ocds_server.generate import FREE_DAY, HOURS, SATURDAY, WORKING_DAY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tender_sync.sources.base import Source

TODAY = datetime(2026, 11, 25, tzinfo=UTC)
# Find a Tender's notices a day, by year: 270 in 2025 and 340 in 2026 by the numbers of dated notices; for the years
# before, the rest of 376,000 notices by February 2026.
_A_DAY: Final = {2025: 270, 2026: 340}
_A_DAY_BEFORE = 189
_UNUSED_NUMBERS = 2 / 461  # of the recorded 10 August 2026


@dataclass(frozen=True)
class Loss:
    """How the API silently loses releases.

    Windows longer than `hours` lack a `share` of them, always the same; page `last_page` and later have no next link.
    """

    hours: float = 1e9
    share: float = 0.1
    last_page: int = 1_000_000_000


HONEST = Loss()


class History:
    """`total` notices of `source` from its first day to `until`; `answer` lists them as the API does."""

    def __init__(
        self, source: Source, total: int, *, until: datetime = TODAY, loss: Loss = HONEST, seed: int = 1
    ) -> None:
        random = Random(seed)
        self.source = source
        self.loss = loss
        self.times = sorted(_times(random, source, total, until))
        self.ids = _ids(random, self.times)
        self._hidden = {n for n in range(len(self.times)) if zlib.crc32(b"%d" % n) / 2**32 < loss.share}

    def publish(self, moments: list[datetime]) -> None:
        """Publish notices at `moments`, which are later than all before."""
        last = int(self.ids[-1][:6])
        for number, moment in enumerate(moments, start=1):
            self.times.append(int(moment.timestamp()))
            self.ids.append(f"{last + number:06d}-{moment.year}")

    def answer(self, query: str, now: datetime) -> bytes:
        """Answer a request for one page, newest notice first; a notice later than `now` is not yet published."""
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        zone = self.source.windows.clocks[0]
        bounds = [
            datetime.fromisoformat(asked[name]).replace(tzinfo=zone).timestamp()
            for name in (self.source.windows.from_param, self.source.windows.to_param)
        ]
        low = bisect_left(self.times, bounds[0])
        high = bisect_right(self.times, min(bounds[1], now.timestamp()))
        listed: Sequence[int] = range(high - 1, low - 1, -1)
        if bounds[1] - bounds[0] > self.loss.hours * 3600 + 1:
            listed = [n for n in listed if n not in self._hidden]
        first = int(base64.b64decode(asked["cursor"])) if "cursor" in asked else 0
        size = int(asked["limit"])
        releases = [
            {"ocid": f"ocds-{self.ids[n]}", "id": self.ids[n], "date": "2021-01-01T00:00:00Z"}
            for n in listed[first : first + size]
        ]
        package: dict[str, object] = {"releases": releases}
        if first + size < len(listed) and first // size + 1 < self.loss.last_page:
            bare = query.partition("&cursor=")[0]
            cursor = base64.b64encode(b"%d" % (first + size)).decode()
            package["links"] = {"next": f"{self.source.base_url}{self.source.path}?{bare}&cursor={cursor}"}
        return json.dumps(package).encode()


def _times(random: Random, source: Source, total: int, until: datetime) -> list[int]:
    days = [source.history_start + timedelta(days=n) for n in range((until - source.history_start).days + 1)]
    weights = [_weight(source, day) for day in days]
    scale = total / sum(weights)
    times: list[int] = []
    for day, weight in zip(days, weights, strict=True):
        mean = weight * scale
        count = max(0, round(random.gauss(mean, mean**0.5)))
        midnight = int(day.timestamp())
        times += [midnight + hour * 3600 + random.randrange(3600) for hour in random.choices(range(24), HOURS, k=count)]
    return [moment for moment in times if moment < until.timestamp()]


def _weight(source: Source, day: datetime) -> float:
    year = _A_DAY.get(day.year, _A_DAY_BEFORE) if source.name == FIND_A_TENDER.name else 1
    return year * (FREE_DAY if day.weekday() >= SATURDAY else WORKING_DAY)


def _ids(random: Random, times: list[int]) -> list[str]:
    """Give numbers from 1 each year, as Find a Tender does; a few stay unused."""
    ids, year, number = [], 0, 0
    for moment in times:
        now = datetime.fromtimestamp(moment, UTC).year
        number = number + 1 if now == year else 1
        number += random.random() < _UNUSED_NUMBERS
        year = now
        ids.append(f"{number:06d}-{year}")
    return ids
