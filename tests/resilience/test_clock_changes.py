"""Both clock changes of the year: an hour of London time that happens twice, and one that never does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import pytest

from tests.integration.oracle import problems
from tests.integration.world import release
from tools.ocds_server import Publication

CHANGES = {"autumn": datetime(2026, 10, 25, 1, tzinfo=UTC), "spring": datetime(2026, 3, 29, 1, tzinfo=UTC)}
AROUND = timedelta(hours=7)
APART = timedelta(minutes=13)


@pytest.mark.parametrize("mode", ["backfill", "sync"])
@pytest.mark.parametrize("season", CHANGES)
@pytest.mark.parametrize("zone", ["UTC", "Europe/London"])
def test_no_notice_is_lost_when_the_clocks_change(source, make_world, season, mode, zone, tell):
    """A notice every thirteen minutes for fourteen hours, read page by page afterwards, or hour by hour meanwhile."""
    tell("clock changes", f"{source.name:<17}{mode:<9}{season}, Contracts Finder on {zone}")
    change = CHANGES[season]
    moments = [change - AROUND + number * APART for number in range(2 * AROUND // APART)]
    published = [Publication(source.name, release(f"{number:06d}-2026", date=at)) for number, at in enumerate(moments)]
    now = change + AROUND if mode == "backfill" else change - AROUND
    world = make_world(source, published, now=now)
    world.server.api.cf_zone = ZoneInfo(zone)
    if mode == "backfill":
        world.run_until_done(max_items=1)
    else:
        while world.clock.now() < change + AROUND:
            world.run_until_done(max_items=1)
            assert problems(world) == []
            world.pass_time(minutes=61)
        world.run()
    assert problems(world) == []
    assert world.db.contracts.count_documents({}) == len(moments)
    for record in world.server.requests:
        for name in (source.windows.from_param, source.windows.to_param):
            assert not names_the_hour(change, parse_qs(record.query)[name][0]), "no clock can say which one is meant"
    tell(facts=f"{len(moments)} notices, {len(world.server.requests)} requests")


def names_the_hour(change: datetime, said: str) -> bool:
    """Say whether a local time lies in the hour that happens twice, or never."""
    return change.replace(tzinfo=None) <= datetime.fromisoformat(said) < change.replace(tzinfo=None, hour=2)
