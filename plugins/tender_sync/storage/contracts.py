"""Reads and writes the contracts of one source, with what follows for buyers, lineage and counts."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from bson.regex import Regex
from pymongo import UpdateOne
from pymongo.client_session import ClientSession
from pymongo.database import Database

from tender_sync.clock import Clock
from tender_sync.identity.buyer_keys import name_key
from tender_sync.identity.lineage import Standing, keys_of, lineage
from tender_sync.identity.notice_facts import LINEAGE_FIELDS
from tender_sync.identity.shared_notice_ids import separate_procurements, sibling_id
from tender_sync.mapping.contract import MappedContract
from tender_sync.sources.base import Source
from tender_sync.storage.buyers import BUYER_FIELDS, Buyers
from tender_sync.storage.contract_counts import COUNTED_FIELDS, ContractCounts
from tender_sync.storage.documents import read_contract
from tender_sync.storage.rejected import RejectedReleases

# What `classify` compares, and what leaves buyers and counts when a contract is replaced.
_COMPARED_FIELDS = {"noticeId", "ocid", "title", "releaseHash", "mapperVersion", *COUNTED_FIELDS, *BUYER_FIELDS}
_ByNoticeId = dict[str, MappedContract]


@dataclass(frozen=True)
class PageChanges:
    """The contracts of a page by what happens to them; the keys are the notice ids they are stored under.

    `remapped`: the stored release, read by a newer mapper. `unchanged`: the stored version or an older one. `doubled`:
    how many releases are other versions of a notice of the same page.
    """

    created: _ByNoticeId = field(default_factory=dict)
    updated: _ByNoticeId = field(default_factory=dict)
    remapped: _ByNoticeId = field(default_factory=dict)
    unchanged: _ByNoticeId = field(default_factory=dict)
    doubled: int = 0

    @property
    def writes(self) -> _ByNoticeId:
        """The contracts to be written."""
        return self.created | self.updated | self.remapped

    @property
    def counts(self) -> Counter[str]:
        """The number of releases of each kind, under the names of a run's counters; a remapped one is updated."""
        updated = len(self.updated) + len(self.remapped)
        return Counter(created=len(self.created), updated=updated, unchanged=len(self.unchanged), doubled=self.doubled)


class Change(NamedTuple):
    """A field of a stored contract, as it was (None where it was not there) and as it is now."""

    before: Any
    after: Any


class Contracts:
    """The contracts of `source` in `db`, and what of other collections must change with them."""

    def __init__(self, db: Database[dict[str, Any]], source: Source, clock: Clock) -> None:
        self._contracts = db["contracts"]
        self._locks = db["syncTurns"]
        self._buyers = Buyers(db, clock)
        self._counts = ContractCounts(db, source)
        self._rejected = RejectedReleases(db, source, clock)
        self._source = source
        self._clock = clock

    def count(self) -> int:
        """Count the contracts of the source."""
        return self._contracts.count_documents({"source": self._source.name})

    def preview(self, page: Sequence[MappedContract]) -> PageChanges:
        """Return what `upsert_contracts` would change; nothing is written."""
        return classify(page, self._stored(page), self._clock.now())

    def upsert_contracts(self, page: Sequence[MappedContract], session: ClientSession) -> Counter[str]:
        """Write contracts that are new or newer than what is stored; return how many were created, updated ….

        Fields that are not the mapper's are never touched. A release seen again unchanged is not written at all. Who
        supersedes whom is kept right in all families touched, and `updatedAt` moves where that changes.
        """
        stored = self._stored(page, session)
        changes = classify(page, stored, self._clock.now())
        counts, writes = changes.counts, changes.writes
        if not writes:
            return counts
        fields, relatives, counts["buyersCreated"] = self._derive(writes, stored, session)
        now = self._clock.now()
        upserts = [
            UpdateOne(
                {"source": self._source.name, "noticeId": notice_id},
                {"$set": {**contract, **fields[notice_id], "updatedAt": now}, "$setOnInsert": {"createdAt": now}},
                upsert=True,
            )
            for notice_id, contract in writes.items()
        ]
        self._contracts.bulk_write([*upserts, *relatives], ordered=False, session=session)
        self._counts.move(((stored.get(notice_id), contract) for notice_id, contract in writes.items()), session)
        # These notices can be mapped now. One that is unchanged says nothing about its rejected versions.
        self._rejected.remove_notices(writes, session)
        return counts

    def rewrite(self, contracts: Iterable[MappedContract], session: ClientSession) -> dict[str, dict[str, Change]]:
        """Bring stored contracts to what the mapper, and the rules of buyers and lineage, make of them today.

        `contracts` are made from what is stored, in this transaction. Returns what changed, by notice id and field.
        Nothing else is written; a contract that differs in nothing but its `mapperVersion` has not changed.
        """
        mapped = {contract["noticeId"]: contract for contract in contracts}
        found = self._contracts.find({"source": self._source.name, "noticeId": {"$in": list(mapped)}}, session=session)
        documents = {document["noticeId"]: document for document in found}
        stored = {notice_id: read_contract(document) for notice_id, document in documents.items()}
        fields, updates, _ = self._derive(mapped, stored, session)
        now = self._clock.now()
        changes: dict[str, dict[str, Change]] = {}
        for notice_id, before in documents.items():
            after = {**mapped[notice_id], **fields[notice_id]}
            changed = {name: value for name, value in after.items() if before.get(name, ...) != value}
            named = {name: Change(before.get(name), value) for name, value in changed.items()}
            named.pop("mapperVersion", None)
            if named:
                changes[notice_id] = named
                changed["updatedAt"] = now
            if changed:
                updates.append(UpdateOne({"_id": before["_id"]}, {"$set": changed}))
        if updates:
            self._contracts.bulk_write(updates, ordered=False, session=session)
        self._counts.move(((stored[notice_id], mapped[notice_id]) for notice_id in changes), session)
        return changes

    def _stored(
        self, page: Sequence[MappedContract], session: ClientSession | None = None
    ) -> dict[str, dict[str, Any]]:
        """Read the contracts stored under the ids of a page's notices, and under their `sibling_id`s."""
        ids = {notice_id for contract in page for notice_id in (contract["noticeId"], sibling_id(contract))}
        query = {"source": self._source.name, "noticeId": {"$in": list(ids)}}
        found = self._contracts.find(query, _COMPARED_FIELDS, session=session)
        return {document["noticeId"]: read_contract(document) for document in found}

    def _derive(
        self, writes: Mapping[str, MappedContract], stored: Mapping[str, Mapping[str, Any]], session: ClientSession
    ) -> tuple[dict[str, dict[str, Any]], list[UpdateOne], int]:
        """Find the buyers of contracts about to be written, and who supersedes them; `stored`: the same as they are.

        Returns the fields that are not the mapper's, by notice id; the updates of other contracts that these supersede,
        or no longer do; and how many buyers were created.
        """
        self._lock_contracts(session)
        buyer_ids, buyers_created = self._buyers.assign_buyers(writes, stored, session)
        family = self._family(writes, stored, session)
        standings = lineage(family.values())
        fields = {}
        for notice_id, contract in writes.items():
            buyer = {"buyerId": buyer_ids[notice_id], "buyerKey": name_key(contract["buyerName"])}
            fields[notice_id] = {**buyer, **standings.pop(notice_id)}
        now = self._clock.now()
        relatives = [
            UpdateOne({"source": self._source.name, "noticeId": notice_id}, {"$set": {**standing, "updatedAt": now}})
            for notice_id, standing in standings.items()
            if any(family[notice_id].get(name, ...) != value for name, value in standing.items())
        ]
        return fields, relatives, buyers_created

    def _lock_contracts(self, session: ClientSession) -> None:
        """Let no two transactions write contracts at once: the later one is aborted here, and tried again.

        The buyer of a contract, and what it supersedes, follow from other contracts. Those must not change between
        the look and the write. Without the lock, two sources could each bring the first notice of an organisation and
        make two buyers of it.
        """
        self._locks.update_one({"_id": "contracts"}, {"$inc": {"turn": 1}}, upsert=True, session=session)

    def _family(
        self, writes: Mapping[str, MappedContract], stored: Mapping[str, Mapping[str, Any]], session: ClientSession
    ) -> dict[str, Mapping[str, Any]]:
        """Return all contracts, by notice id, that share an ocid or guid with those written or with one another.

        Those to be written are in it as they will be. What shared an ocid with their stored version is in it, too.
        """
        family: dict[str, Mapping[str, Any]] = dict(writes)
        asked: set[tuple[str, str]] = set()
        before = [stored[notice_id] for notice_id in writes if notice_id in stored]
        keys = {key for contract in (*writes.values(), *before) for key in keys_of(self._source.name, contract)}
        while keys:
            ocids = [key for name, key in keys if name == "ocid"]
            # Not re.compile: it sends the flag u, with which MongoDB reads the whole index, however many contracts.
            prefixes = [Regex(f"^{re.escape(key)}") for name, key in keys if name == "guid"]
            relatives = self._contracts.find(
                {"source": self._source.name, "$or": [{"ocid": {"$in": ocids}}, {"noticeId": {"$in": prefixes}}]},
                (*LINEAGE_FIELDS, *Standing.__annotations__),
                session=session,
            )
            for relative in map(read_contract, relatives):
                if relative["noticeId"]:
                    family.setdefault(relative["noticeId"], relative)
            asked |= keys
            keys = {key for each in family.values() for key in keys_of(self._source.name, each)} - asked
        return family


def classify(page: Sequence[MappedContract], stored: Mapping[str, Mapping[str, Any]], now: datetime) -> PageChanges:
    """Decide what writing a page changes; of several versions of one notice the newest counts.

    Pure, so that the write and its preview cannot differ. `stored`: what is stored under the page's notice ids and
    their `sibling_id`s (`documents.read_contract`).
    """
    newest: _ByNoticeId = {}
    for contract in separate_procurements(page, stored):
        other = newest.get(contract["noticeId"])
        # A page lists the newest first, so of two versions with the same date the first is the newer one.
        if other is None or _version(contract) > _version(other):
            newest[contract["noticeId"]] = contract
    changes = PageChanges(doubled=len(page) - len(newest))
    for notice_id, contract in newest.items():
        before = stored.get(notice_id)
        if before is None:
            kind = changes.created
        elif contract["releaseHash"] == before["releaseHash"]:
            kind = changes.unchanged if contract["mapperVersion"] == before["mapperVersion"] else changes.remapped
        else:
            kind = changes.updated if _replaces(contract, before, now) else changes.unchanged
        kind[notice_id] = contract
    return changes


def _replaces(contract: MappedContract, before: Mapping[str, Any], now: datetime) -> bool:
    """Say whether `contract` takes the place of another version: it does unless it is older."""
    # A stored date in the future is the publisher's error. It must not keep out the correction.
    ours, theirs = contract["publishedDate"], before["publishedDate"]
    if theirs is None or theirs > now:
        return True
    return ours is not None and ours >= theirs


def _version(contract: MappedContract) -> float:
    return contract["publishedDate"].timestamp() if contract["publishedDate"] else float("-inf")
