"""Whether MongoDB holds what a source's API shows: every difference as a sentence, none when all is right.

It reckons from the releases themselves and from nothing the sync wrote about itself, so that both can be wrong only
in different ways. Tests and the demo share it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tender_sync.errors import RejectedRelease
from tender_sync.identity.buyer_keys import name_key, org_id
from tender_sync.identity.lineage import Standing, lineage
from tender_sync.identity.notice_facts import LINEAGE_FIELDS
from tender_sync.identity.shared_notice_ids import separate_procurements
from tender_sync.mapping.bson_limits import storable
from tender_sync.mapping.contract import map_ocds_to_contract
from tender_sync.storage.contract_counts import flat
from tools.ocds_server.catalogue import notice_key
from tools.stack import Failed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pymongo.database import Database

    from tender_sync.mapping.contract import MappedContract
    from tender_sync.sources.base import Source
    from tools.stack import Server

# What becomes of a release that was fetched: each is counted under exactly one of these.
BECAME = ("created", "updated", "unchanged", "rejected", "doubled")
# What a contract has from others of its family.
STANDING = frozenset(Standing.__annotations__)
_OLDEST = datetime.min.replace(tzinfo=UTC)


@dataclass
class Expected:
    """What a source's collections must hold: contracts by notice id, and the hashes of what can be none.

    What is `tolerated` may be stored as well: notices (by `notice_key`) and rejected releases (by hash) that are shown
    but not yet due, and earlier releases of a notice, which are shown no more.
    """

    source: str
    contracts: dict[str, MappedContract] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)
    tolerated: set[str] = field(default_factory=set)


def shown_by(server: Server, source: Source) -> list[Any]:
    """Fetch all the server shows of a source in one walk without windows, and hold it against the server's own list.

    :raises Failed: they differ, so that nothing could be said about the data
    """
    releases: list[Any] = []
    path: str | None = f"{source.path}?limit=100"
    while path:
        package = server.ask("GET", path)
        releases += package["releases"]
        following = urlsplit(package.get("links", {}).get("next") or "")
        path = f"{following.path}?{following.query}" if following.path else None
    named = {release["id"] for release in releases if isinstance(release, dict) and isinstance(release.get("id"), str)}
    existing = set(server.ask("GET", f"existing?source={source.name}"))
    if named - {""} != existing:
        raise Failed(f"the server contradicts itself about {source.title}: {sorted(named ^ existing)[:5]}")
    return releases


def expect(source: str, due: Iterable[Any], shown: Iterable[Any] = ()) -> Expected:
    """Map the releases that are `due`, newest first; of several with one id the newest counts.

    `shown` are others the API shows already, which may be stored or not.
    """
    expected, due = Expected(source), list(due)
    mapped = [_mapped(release, source) for release in due]
    for release, contract in zip(due, mapped, strict=True):
        if contract is None:
            expected.rejected.add(content_hash(release))
    for contract in separate_procurements([each for each in mapped if each is not None], {}):
        notice_id = contract["noticeId"]
        other = expected.contracts.get(notice_id)
        if other is None or (contract["publishedDate"] or _OLDEST) > (other["publishedDate"] or _OLDEST):
            expected.contracts[notice_id] = contract
        expected.tolerated.add(notice_key(source, notice_id))
    known = {id(release): contract for release, contract in zip(due, mapped, strict=True)}
    for release in shown:
        contract = known[id(release)] if id(release) in known else _mapped(release, source)
        expected.tolerated.add(content_hash(release) if contract is None else notice_key(source, contract["noticeId"]))
    return expected


def _mapped(release: Any, source: str) -> MappedContract | None:
    """Map a release; None if it can be no contract."""
    try:
        return map_ocds_to_contract(release, source)
    except RejectedRelease:
        return None


def content_hash(release: Any) -> str:
    """Hash a release as `rejectedReleases` does: SHA-256 of its JSON as it is stored, keys sorted, no blanks."""
    with suppress(RejectedRelease):
        release = storable(release)
    return hashlib.sha256(json.dumps(release, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def differences(
    db: Database[dict[str, Any]], expected: Iterable[Expected], *, now: datetime, done: bool = True
) -> list[str]:
    """List every difference between `db` and what is expected of all its sources; `done`: the last runs were complete.

    `now` is the present moment, which no watermark may have passed.
    """
    found: list[str] = []
    for each in expected:
        found += [
            *_contracts(db, each),
            *superseded_wrongly(db, each.source),
            *_stats(db, each.source),
            *_rejected(db, each),
        ]
        found += [*_job(db, each.source, now, done=done), *_runs(db, each.source)]
    return [*found, *wrong_buyers(db)]


def _contracts(db: Database[dict[str, Any]], expected: Expected) -> Iterator[str]:
    name, met = expected.source, set()
    for stored in db["contracts"].find({"source": name}):
        notice_id = stored["noticeId"]
        if notice_id in met:
            yield f"doubled: {name} {notice_id}"
        met.add(notice_id)
        contract = expected.contracts.get(notice_id)
        if contract is None:
            if notice_key(name, notice_id) not in expected.tolerated:
                yield f"extra: {name} {notice_id}, which the server does not show"
        elif stale := [k for k, value in contract.items() if k not in STANDING and stored.get(k) != value]:
            yield f"stale: {name} {notice_id} of {contract['publishedDate']} in {', '.join(stale)}"
    for notice_id in sorted(expected.contracts.keys() - met):
        yield f"missing: {name} {notice_id} of {expected.contracts[notice_id]['publishedDate']}"


def superseded_wrongly(db: Database[dict[str, Any]], source: str) -> Iterator[str]:
    """Say which contracts of a source do not stand to one another as all of them together tell."""
    stored = list(db["contracts"].find({"source": source}, [*LINEAGE_FIELDS, *STANDING]))
    expected = lineage(stored)
    for contract in stored:
        for name, value in expected[contract["noticeId"]].items():
            if (met := contract.get(name, "nothing said")) != value:
                yield f"{source} {contract['noticeId']} has {name} {met}; expected {value}"


def _stats(db: Database[dict[str, Any]], source: str) -> Iterator[str]:
    stored: Counter[tuple[str, str]] = Counter()
    for contract in db["contracts"].find({"source": source}):
        published = contract["publishedDate"]
        month = f"{published:%Y-%m}" if published else "undated"
        stored[month, "contracts"] += 1
        stored[month, f"stages.{contract['stage']}"] += 1
        stored[month, f"sectors.{contract['sector'] or 'none'}"] += 1
        if published:
            stored[month, f"days.{published:%d}"] += 1
    months = db["syncStats"].find({"source": source})
    counted = {(each["month"], path): n for each in months for path, n in flat(each).items()}
    for key in sorted(stored.keys() | counted.keys()):
        if counted.get(key, 0) != stored[key]:
            yield f"{source} {' '.join(key)}: {counted.get(key, 0)} by the counts kept, {stored[key]} stored"


def _rejected(db: Database[dict[str, Any]], expected: Expected) -> Iterator[str]:
    kept = Counter(document["contentHash"] for document in db["rejectedReleases"].find({"source": expected.source}))
    yield from (f"rejected but not kept: {expected.source} {each}" for each in sorted(expected.rejected - kept.keys()))
    for each in sorted(kept.keys() - expected.rejected - expected.tolerated):
        yield f"kept as rejected but not shown: {expected.source} {each}"
    yield from (f"doubled: rejected {expected.source} {each}" for each, times in kept.items() if times > 1)


def _job(db: Database[dict[str, Any]], source: str, now: datetime, *, done: bool) -> Iterator[str]:
    job = db["syncJobs"].find_one({"source": source})
    if job is None:
        yield f"{source} has no sync job"
        return
    watermark = datetime.fromisoformat(job["lastSyncedDate"] or job["backfillStartDate"])
    window = job["window"]
    if watermark > now:
        yield f"{source}: the watermark {watermark} lies in the future"
    if window is None and job["cursor"] is not None:
        yield f"{source}: a cursor without a window"
    if window is not None and window["from"] > watermark:
        yield f"{source}: the open window begins at {window['from']}, past the watermark {watermark}"
    if job["lease"] is not None:
        yield f"{source}: the lease is still held: {job['lease']}"
    if not done:
        return
    if (job["status"], window, job["cursor"], job["failures"]) != ("syncing", None, None, 0):
        yield f"{source}: done, but {job}"
    if job["backfillCompletedAt"] is None:
        yield f"{source}: done, but the backfill was never completed"


def _runs(db: Database[dict[str, Any]], source: str) -> Iterator[str]:
    sums: Counter[str] = Counter()
    for run in db["syncRuns"].find({"source": source}):
        counts = Counter({key: value for key, value in run.items() if isinstance(value, int)})
        if counts["fetched"] != sum(counts[name] for name in BECAME):
            yield f"{source}: the counts of run {run['runId']} do not add up: {dict(counts)}"
        if counts["pages"] > counts["requests"]:
            yield f"{source}: run {run['runId']} read {counts['pages']} pages in {counts['requests']} requests"
        if run["endedAt"] is None or run["outcome"] is None:
            yield f"{source}: run {run['runId']} never ended"
        sums.update(counts)
    job = db["syncJobs"].find_one({"source": source}) or {}
    totals = job.get("totals", {})
    for name in sorted(sums.keys() | totals.keys()):
        if totals.get(name, 0) != sums[name]:
            yield f"{source}: {name} is {totals.get(name, 0)} in the job and {sums[name]} in its runs"
    if job.get("totalFetched", 0) != sums["fetched"]:
        yield f"{source}: totalFetched is {job.get('totalFetched')}, and its runs fetched {sums['fetched']}"


def wrong_buyers(db: Database[dict[str, Any]]) -> Iterator[str]:
    """Say which contracts do not hang on the buyer all contracts of its name tell, and which counts are not theirs."""
    contracts = list(db["contracts"].find({}, ("noticeId", "buyerName", "buyerOrg", "buyerKey", "buyerId")))
    published: defaultdict[str | None, set[str | None]] = defaultdict(set)
    for contract in contracts:
        published[name_key(contract["buyerName"])].add(contract["buyerOrg"])
    buyers = {buyer["_id"]: buyer for buyer in db["buyers"].find()}
    counted = Counter(contract["buyerId"] for contract in contracts)
    for contract in contracts:
        name, owner = name_key(contract["buyerName"]), buyers.get(contract["buyerId"], {}).get("orgId")
        expected = org_id(contract, published[name])
        if (owner, contract["buyerKey"]) != (expected, name):
            yield f"{contract['noticeId']} belongs to {owner}, not to {expected}; buyerKey {contract['buyerKey']}"
    for key, buyer in buyers.items():
        if buyer["contractCount"] != counted[key]:
            yield f"contractCount of {buyer['orgId']} is {buyer['contractCount']}, but it has {counted[key]}"
    named = Counter(buyer["orgId"] for buyer in buyers.values())
    yield from (f"doubled: buyer {key}" for key, times in named.items() if times > 1)
