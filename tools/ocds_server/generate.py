"""Generates seeded, realistic histories of notices of both services."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final

from .catalogue import CONTRACTS_FINDER, FIND_A_TENDER, SOURCES, Publication
from .dirty import spoil
from .find_a_tender import LONDON
from .generate_cf import ContractsFinderWriter
from .generate_fts import FindATenderWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .catalogue import Catalogue

# Share of a day's notices by London hour: hardly any at night (recorded in August 2026).
HOURS: Final = (1, 0, 0, 0, 0, 1, 2, 6, 30, 70, 95, 100, 90, 75, 95, 100, 95, 60, 22, 10, 6, 4, 4, 2)
WORKING_DAY, FREE_DAY = 1.35, 0.125  # 500 and some 45 a day make 370 on average (the same recording)
SATURDAY = 5
_COUNTED_LATE = 26 / 11_037  # releases whose running number is out of date order (the same recording)
_TWICE = 1 / 11_037  # byte-identical duplicates (the same recording)


WRITERS: Mapping[str, type[FindATenderWriter | ContractsFinderWriter]] = {
    FIND_A_TENDER: FindATenderWriter,
    CONTRACTS_FINDER: ContractsFinderWriter,
}


def generate(
    seed: int,
    start: datetime,
    end: datetime,
    per_day: float,
    *,
    dirty: float = 0.0,
    sources: Iterable[str] = SOURCES,
) -> Iterator[Publication]:
    """Generate the notices published in `[start, end)` (aware), `per_day` of each source on average.

    The same arguments give the same notices. `dirty` is the share of odd releases.
    """
    for source in sources:
        random = Random(f"{seed} {source}")
        writer = WRITERS[source](random)
        for when in _moments(random, start.astimezone(UTC), end.astimezone(UTC), per_day):
            release: Any = writer.write(when)
            if random.random() < dirty:
                release = spoil(random, release)
            late = timedelta(seconds=random.randrange(2, 20)) if random.random() < _COUNTED_LATE else timedelta()
            for _ in range(2 if random.random() < _TWICE else 1):
                yield Publication(source, release, when, when + late)


def more(catalogue: Catalogue, source: str, count: int) -> list[dict[str, Any]]:
    """Write `count` new notices dated now by the server's clock, with ids that the catalogue does not have."""
    taken = len(catalogue.listing(source))
    random = Random(f"more {taken} {source}")
    writer = WRITERS[source](random, first=taken + 1)
    now = catalogue.clock.now()
    written: list[dict[str, Any]] = []
    while len(written) < count:
        release = writer.write(now)
        if not catalogue.find(source, release["id"]):
            written.append(release)
    return written


def _moments(random: Random, start: datetime, end: datetime, per_day: float) -> Iterator[datetime]:
    day = start.astimezone(LONDON).date()
    while datetime(day.year, day.month, day.day, tzinfo=LONDON) < end:
        moments = sorted(_moment(random, day) for _ in range(_count(random, day, per_day)))
        yield from (when for when in moments if start <= when < end)
        day += timedelta(days=1)


def _count(random: Random, day: date, per_day: float) -> int:
    mean = per_day * (FREE_DAY if day.weekday() >= SATURDAY else WORKING_DAY)
    return max(0, int(random.gauss(mean, mean**0.5) + random.random()))


def _moment(random: Random, day: date) -> datetime:
    hour = random.choices(range(24), HOURS)[0]
    local = datetime(day.year, day.month, day.day, hour, random.randrange(60), random.randrange(60), tzinfo=LONDON)
    return local.astimezone(UTC)
