"""What MongoDB must hold, told from what a world's server shows: the list of differences, empty when there is none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tools.oracle import differences, expect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.integration.world import World


def problems(world: World, *, done: bool = True, also_shown: Iterable[Any] = ()) -> list[str]:
    """List what is wrong with a source's data, buyers, job and runs (see `tools.oracle`); `done`: its last run was.

    Everything published up to the watermark is due; what was published since may be there already, and so may what a
    fault has `also_shown`.
    """
    job = world.job
    begin = _moment(job["backfillStartDate"])
    due = _shown(world, begin, _moment(job["lastSyncedDate"] or job["backfillStartDate"]))
    expected = expect(world.source.name, due, shown=[*_shown(world), *also_shown])
    return differences(world.db, [expected], now=world.server.clock.now(), done=done)


def _shown(world: World, *bounds: datetime) -> list[Any]:
    """List what the server shows, newest first."""
    name = world.source.name
    return [*world.catalogue.unnamed(name, *bounds), *reversed(world.catalogue.existing(name, *bounds).values())]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
