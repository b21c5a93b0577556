"""What MongoDB must hold, told from what the server shows: the list of differences, empty when there is none."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tender_sync.errors import RejectedRelease
from tender_sync.ocds import map_ocds_to_contract
from tender_sync.stats import MARK, flat
from tools.ocds_server.catalogue import notice_key
from tools.oracle import superseded_wrongly, wrong_buyers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.world import World

_BECAME = ("created", "updated", "unchanged", "rejected", "doubled")


def problems(world: World, *, done: bool = True) -> list[str]:
    """List what is wrong with a source's data, its buyers, its job and its runs; `done`: its last run was complete."""
    data = (*_releases(world), *superseded_wrongly(world.db, world.source.name), *wrong_buyers(world.db))
    return [*data, *_stats(world), *_job(world, done=done), *_runs(world)]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _releases(world: World) -> Iterator[str]:
    name, job = world.source.name, world.job
    covered = (_moment(job["backfillStartDate"]), _moment(job["lastSyncedDate"]))
    named = world.catalogue.existing(name, *covered)
    expected, unmapped = {}, []
    for release in [*named.values(), *world.catalogue.unnamed(name, *covered)]:
        try:
            contract = map_ocds_to_contract(release, name)
        except RejectedRelease:
            unmapped.append(release)
            continue
        other = expected.get(contract["noticeId"])
        # Several may carry one id where the id is the oddity.
        if other is None or _age(contract) >= _age(other):
            expected[contract["noticeId"]] = contract
    stored = list(world.db.contracts.find({"source": name}))
    by_id = {contract["noticeId"]: contract for contract in stored}
    if len(by_id) != len(stored):
        yield f"doubled: {[key for key, n in Counter(c['noticeId'] for c in stored).items() if n > 1]}"
    for notice_id in sorted(expected.keys() - by_id.keys()):
        yield f"missing: {notice_id} of {expected[notice_id]['rawData'].get('date')}"
    shown = world.catalogue.existing(name)
    # Contracts Finder hides a release once its notice has a later one; that it was stored before is right.
    notices = {notice_key(name, notice_id) for notice_id in shown}
    for notice_id in sorted(by_id.keys() - expected.keys() - shown.keys()):
        if notice_key(name, notice_id) not in notices:
            yield f"extra: {notice_id}"
    for notice_id in sorted(expected.keys() & by_id.keys()):
        stale = [key for key, value in expected[notice_id].items() if by_id[notice_id].get(key) != value]
        if stale:
            yield f"stale: {notice_id} in {stale}"
    kept = [_raw(document) for document in world.db.rejectedReleases.find({"source": name})]
    yield from (f"neither stored nor kept as rejected: {release!r:.200}" for release in unmapped if release not in kept)


def _age(contract: Any) -> datetime:
    return contract["publishedDate"] or datetime.min.replace(tzinfo=UTC)


def _raw(document: dict[str, Any]) -> Any:
    if "raw" in document:
        return document["raw"]
    body = zlib.decompress(document["rawZlib"])
    try:
        return json.loads(body)
    except ValueError:
        return body


def _stats(world: World) -> Iterator[str]:
    stored: Counter[tuple[str, str]] = Counter()
    for contract in world.db.contracts.find({"source": world.source.name}):
        published = contract["publishedDate"]
        month = f"{published:%Y-%m}" if published else "undated"
        stored[month, "contracts"] += 1
        stored[month, f"stages.{contract['stage']}"] += 1
        stored[month, f"sectors.{contract['sector'] or 'none'}"] += 1
        if published:
            stored[month, f"days.{published:%d}"] += 1
    months = world.db.syncStats.find({"source": world.source.name, "month": {"$ne": MARK}})
    counted = {(each["month"], path): n for each in months for path, n in flat(each).items()}
    yield from (
        f"{' '.join(key)}: {counted.get(key, 0)} by the counts kept, {stored[key]} stored"
        for key in sorted(stored.keys() | counted.keys())
        if counted.get(key, 0) != stored[key]
    )


def _job(world: World, *, done: bool) -> Iterator[str]:
    job = world.job
    if _moment(job["lastSyncedDate"]) > world.clock.now():
        yield f"the watermark {job['lastSyncedDate']} is in the future"
    if job["lease"] is not None:
        yield f"the lease is still held: {job['lease']}"
    if job["cursor"] is not None and job["window"] is None:
        yield "a cursor without a window"
    if done and (job["status"], job["window"], job["cursor"], job["failures"]) != ("syncing", None, None, 0):
        yield f"done, but {job}"
    if done and job["backfillCompletedAt"] is None:
        yield "done, but the backfill was never completed"


def _runs(world: World) -> Iterator[str]:
    runs = list(world.db.syncRuns.find({"source": world.source.name}).sort("startedAt", 1))
    sums: Counter[str] = Counter()
    for run in runs:
        counts = Counter({key: value for key, value in run.items() if isinstance(value, int)})
        if counts["fetched"] != sum(counts[name] for name in _BECAME):
            yield f"run {run['runId']} counts do not add up: {dict(counts)}"
        if run["endedAt"] is None or run["outcome"] is None:
            yield f"run {run['runId']} never ended"
        sums.update(counts)
    totals = world.job.get("totals", {})
    yield from (
        f"{name}: {totals.get(name, 0)} in the job, {sums[name]} in its runs"
        for name in (sums.keys() | totals.keys())
        if totals.get(name, 0) != sums[name]
    )
    if world.job["totalFetched"] != sums["fetched"]:
        yield f"totalFetched is {world.job['totalFetched']}, its runs fetched {sums['fetched']}"
