"""Whether MongoDB holds what the local server says exists: every difference as a sentence, none when all is right."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tender_sync.buyers import name_key, org_id
from tender_sync.errors import RejectedRelease
from tender_sync.lineage import FACTS, lineage
from tender_sync.ocds import map_ocds_to_contract
from tender_sync.sources import SOURCES
from tools.ocds_server.catalogue import notice_key
from tools.stack import Failed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pymongo.database import Database

    from tender_sync.ocds import MappedContract
    from tender_sync.sources import Source
    from tools.stack import Server

_OLDEST = datetime.min.replace(tzinfo=UTC)


@dataclass
class Expected:
    """What a source's collections must hold: contracts by notice id, and the hashes of what can be none.

    `notices` names the notices shown: an earlier release of one may be stored too, though it is shown no more.
    """

    source: str
    contracts: dict[str, MappedContract]
    rejected: set[str]
    notices: set[str]


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


def expect(source: str, releases: Iterable[Any]) -> Expected:
    """Map what a server shows; of several releases with one id the newest counts."""
    expected = Expected(source, {}, set(), set())
    for release in releases:
        try:
            contract = map_ocds_to_contract(release, source)
        except RejectedRelease:
            expected.rejected.add(content_hash(release))
            continue
        notice_id = contract["noticeId"]
        other = expected.contracts.get(notice_id)
        if other is None or (contract["publishedDate"] or _OLDEST) > (other["publishedDate"] or _OLDEST):
            expected.contracts[notice_id] = contract
        expected.notices.add(notice_key(source, notice_id))
    return expected


def content_hash(release: Any) -> str:
    """Hash a release as `rejectedReleases` does: SHA-256 of its JSON, keys sorted, no blanks."""
    return hashlib.sha256(json.dumps(release, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def differences(db: Database[dict[str, Any]], expected: Iterable[Expected], *, now: datetime) -> list[str]:
    """List every difference between `db` and what is expected of all its sources."""
    found: list[str] = []
    for each in expected:
        found += _contracts(db, each)
        found += superseded_wrongly(db, each.source)
        found += _rejected(db, each)
        found += _job(db, each, now)
    return [*found, *wrong_buyers(db)]


def _contracts(db: Database[dict[str, Any]], expected: Expected) -> Iterator[str]:
    name, met = expected.source, set()
    for stored in db["contracts"].find({"source": name}):
        notice_id = stored["noticeId"]
        if notice_id in met:
            yield f"{name} {notice_id} is stored twice"
        met.add(notice_id)
        contract = expected.contracts.get(notice_id)
        if contract is None:
            if notice_key(name, notice_id) not in expected.notices:
                yield f"{name} {notice_id} is stored, but the server shows no such notice"
        elif stale := [key for key, value in contract.items() if stored.get(key) != value]:
            yield f"{name} {notice_id} of {contract['publishedDate']} is not as the server shows it: {', '.join(stale)}"
    yield from (f"{name} {notice_id} is missing" for notice_id in sorted(expected.contracts.keys() - met))


def superseded_wrongly(db: Database[dict[str, Any]], source: str) -> Iterator[str]:
    """Say which contracts of a source do not stand to one another as all of them together tell."""
    stored = list(db["contracts"].find({"source": source}, [*FACTS, "isLatest", "supersededBy"]))
    expected = lineage(stored)
    for contract in stored:
        notice_id, successor = contract["noticeId"], contract.get("supersededBy", "nothing said")
        if (successor, contract.get("isLatest")) != (expected[notice_id], expected[notice_id] is None):
            met = f"supersededBy {successor}, isLatest {contract.get('isLatest')}"
            yield f"{source} {notice_id} has {met}; expected supersededBy {expected[notice_id]}"


def _rejected(db: Database[dict[str, Any]], expected: Expected) -> Iterator[str]:
    kept = {document["contentHash"] for document in db["rejectedReleases"].find({"source": expected.source})}
    for name, hashes in (("missing from", expected.rejected - kept), ("too many in", kept - expected.rejected)):
        if hashes:
            yield f"{expected.source}: {len(hashes)} releases are {name} rejectedReleases, such as {min(hashes)}"


def _job(db: Database[dict[str, Any]], expected: Expected, now: datetime) -> Iterator[str]:
    job: Mapping[str, Any] = db["syncJobs"].find_one({"source": expected.source}) or {}
    title = SOURCES[expected.source].title
    if job.get("status") != "syncing":
        yield f"{title} is {job.get('status', 'without a sync job')}, not syncing"
    elif datetime.fromisoformat(job["lastSyncedDate"]) > now:
        yield f"{title} claims to be complete up to {job['lastSyncedDate']}, which lies in the future"
    if job.get("transitionAnnouncedBy") is None:
        yield f"{title}: its transition to syncing was never announced"
    left = [name for name in ("lease", "window", "cursor") if job.get(name) is not None]
    if left:
        yield f"{title} was not closed in order: {', '.join(left)} still set"


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
    yield from (f"buyer {key} is stored {times} times" for key, times in named.items() if times > 1)
