"""Two years on end: both clock changes twice, two New Years, a leap day, runs left out, notices late and amended."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import bson
import pytest

from tests.integration.oracle import problems
from tests.integration.world import DURHAM, LEEDS, release

BEGIN, END = datetime(2026, 10, 20, tzinfo=UTC), datetime(2028, 11, 5, tzinfo=UTC)
LONDON = ZoneInfo("Europe/London")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Every hour there is a run within a day and a half of these; else two a day, which together take a minute or two.
CLOCK_CHANGES = [
    datetime(year, month, day, 1, tzinfo=UTC)
    for year, month, day in ((2026, 10, 25), (2027, 3, 28), (2027, 10, 31), (2028, 3, 26), (2028, 10, 29))
]
TURNS = [datetime(2027, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC), datetime(2028, 2, 29, tzinfo=UTC)]
STOPS = (
    (datetime(2027, 3, 12, tzinfo=UTC), 21 * DAY),  # over the spring change
    (datetime(2027, 10, 30, 20, tzinfo=UTC), 10 * HOUR),  # over the autumn change
    (datetime(2027, 12, 1, tzinfo=UTC), 61 * DAY),  # over New Year, when Find a Tender's numbers begin again
    (datetime(2028, 2, 28, 20, tzinfo=UTC), 36 * HOUR),  # over the leap day
)


class Publisher:
    """Lists notices when they are due, at any hour: most on working days, a few late, and old ones amended."""

    def __init__(self, world, random):
        self._world = world
        self._random = random
        self._numbers = dict.fromkeys(range(BEGIN.year, END.year + 1), 0)
        self._due = deque(sorted(self._moments()))
        self._listed = []

    def _moments(self):
        day = BEGIN
        while day < END:
            for _ in range(self._random.randrange(8) if day.weekday() > 4 else self._random.randrange(5, 20)):
                moment = day + self._random.randrange(24 * 3600) * timedelta(seconds=1)
                late = self._random.randrange(1, 110) if self._random.random() < 0.03 else 0
                yield moment + late * timedelta(minutes=1), moment
            day += DAY

    def list_what_is_due(self):
        """Publish all that is due now; one in twenty amends a notice of months ago, in place or by a new notice."""
        while self._due and self._due[0][0] <= self._world.clock.now():
            listed, dated = self._due.popleft()
            year = listed.astimezone(LONDON).year
            buyer = self._random.choice((LEEDS, DURHAM))
            amends = self._random.random() < 0.05 and len(self._listed) > 600
            old = self._random.choice(self._listed[:-500]) if amends else None
            if old and self._random.random() < 0.5:
                changed = release(old["id"], date=dated, title=f"Grit of {dated:%Y-%m}", ocid=old["ocid"])
                self._world.catalogue.publish(self._world.source.name, changed, when=dated, in_place=True)
                continue
            self._numbers[year] += 1
            more = {"ocid": old["ocid"], "tag": ["tenderUpdate"]} if old else {}
            fresh = release(f"{self._numbers[year]:06d}-{year}", date=dated, buyer=buyer, **more)
            self._listed.append(self._world.catalogue.publish(self._world.source.name, fresh, when=dated))


@pytest.mark.long
def test_two_years_on_end_lose_and_double_nothing(source, make_world, tell, pytestconfig):
    seed = pytestconfig.getoption("--seed")
    tell("two years", f"{source.name:<17}seed {seed}")
    random = Random(seed)
    world = make_world(source, (), now=BEGIN)
    world.start = BEGIN - DAY
    world.server.api.cf_zone = random.choice((UTC, LONDON))
    publisher = Publisher(world, random)
    runs, sizes, most = 0, set(), 0
    moment, stops = BEGIN, deque(STOPS)
    while moment < END:
        world.clock.sleep((moment + random.randrange(3, 20) * timedelta(seconds=1) - world.clock.now()).total_seconds())
        publisher.list_what_is_due()
        result = world.run()
        assert result.done
        runs, most = runs + 1, max(most, result.record["requests"])
        sizes.add(len(bson.encode(world.job)))
        moment += HOUR if any(abs(moment - turn) < 1.5 * DAY for turn in (*CLOCK_CHANGES, *TURNS)) else 12 * HOUR
        if stops and stops[0][0] <= moment:
            moment += stops.popleft()[1]
    assert not stops
    assert problems(world) == []
    assert world.db.syncRuns.count_documents({}) == runs
    assert world.job["suspectWindows"] == []
    assert max(sizes) < 1000
    held, record = (world.db.command("collstats", name) for name in ("contracts", "syncRuns"))
    tell(facts=f"{held['count']} contracts; {runs} runs of at most {most} requests, {record['avgObjSize']} bytes each")
