"""Assigns contracts to buyers, and keeps the buyers' counts, inside the transaction of a page."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.client_session import ClientSession
from pymongo.database import Database

from tender_sync.clock import Clock
from tender_sync.identity.buyer_keys import map_buyer, name_key, org_id
from tender_sync.mapping.contract import MappedContract
from tender_sync.mapping.parties import UNKNOWN_BUYER, register_of
from tender_sync.storage.documents import read_contract, without_foreign_types

# The fields of a stored contract that its buyer depends on.
BUYER_FIELDS = ("buyerKey", "buyerName", "buyerOrg", "buyerId")


@dataclass(frozen=True)
class Assignment:
    """A contract, the buyer it has so far, and the key of the buyer it belongs to.

    `name`: its name key. `same_name`: it had this name before, so the buyer it has so far is the same organisation.
    """

    contract: Mapping[str, Any]
    name: str | None
    buyer_id: ObjectId | None
    org_id: str | None
    same_name: bool

    @property
    def is_written(self) -> bool:
        """Whether the contract is about to be written; the others are stored, and share a name with one that is."""
        return "_id" not in self.contract


class Buyers:
    """The buyers of `db`: one for each organisation, as far as names and registers tell (`buyer_keys.org_id`).

    The buyer of a contract depends on all contracts of its name, so one contract may give others another buyer: the
    first registered id makes the name's buyer that id's, and a second id in the same register separates them again.
    """

    def __init__(self, db: Database[dict[str, Any]], clock: Clock) -> None:
        self._db = db
        self._contracts = db["contracts"]
        self._buyers = db["buyers"]
        self._clock = clock

    def assign_buyers(
        self, writes: Mapping[str, MappedContract], stored: Mapping[str, Mapping[str, Any]], session: ClientSession
    ) -> tuple[dict[str, ObjectId | None], int]:
        """Return the buyers of contracts about to be written, by notice id, and how many buyers were created for them.

        `stored`: the same contracts as they are. Others of their names that now belong to another buyer are moved, and
        the counts of all buyers with them. Nobody else may write contracts meanwhile (`Contracts._lock_contracts`).
        """
        replaced = [stored[notice_id] for notice_id in writes if notice_id in stored]
        ids, changed = self._registered_ids(writes.values(), replaced, session)
        assignments = []
        for notice_id, contract in writes.items():
            name, was = name_key(contract["buyerName"]), stored.get(notice_id)
            same_name = was is not None and name_key(was["buyerName"]) == name
            key = org_id(contract, ids.get(name or "", ()))
            assignments.append(Assignment(contract, name, was["buyerId"] if was else None, key, same_name))
        for other in self._others(changed, replaced, session):
            name = other["buyerKey"]
            assignments.append(Assignment(other, name, other["buyerId"], org_id(other, ids[name]), same_name=True))
        keys = {each.org_id for each in assignments if each.org_id}
        known = self._find(keys, session)
        for key in sorted(keys - known.keys()):
            if adopted := self._adoptable(key, assignments, changed, session):
                renamed = {"$set": {"orgId": key, "updatedAt": self._clock.now()}}
                self._buyers.update_one({"_id": adopted}, renamed, session=session)
                known[key] = adopted
        created = self.auto_extract_buyers([each for each in assignments if each.org_id not in known], session)
        if created:
            known = self._find(keys, session)
        self._move(assignments, known, session)
        written = (each for each in assignments if each.is_written)
        return {each.contract["noticeId"]: known.get(each.org_id or "") for each in written}, created

    def _find(self, keys: Iterable[str], session: ClientSession) -> dict[str, ObjectId]:
        found = self._buyers.find({"orgId": {"$in": list(keys)}}, {"orgId": 1}, session=session)
        return {buyer["orgId"]: buyer["_id"] for buyer in found}

    def _registered_ids(
        self, writes: Iterable[MappedContract], replaced: list[Mapping[str, Any]], session: ClientSession
    ) -> tuple[dict[str, set[str]], list[str]]:
        """Return the registered ids of each name as they will be, and the names whose ids change by that."""
        named, was_named = (
            {(name_key(each["buyerName"]), each["buyerOrg"]) for each in contracts} for contracts in (writes, replaced)
        )
        before = self._find_registered_ids({name for name, _ in named | was_named if name}, session)
        after = {name: set(ids) for name, ids in before.items()}
        for name, published in named:
            if name and published and register_of(published):
                after[name].add(published)
        others = {"_id": {"$nin": [each["_id"] for each in replaced]}}
        for name, published in was_named - named:
            if name and published in after[name]:
                remaining = {"buyerKey": name, "buyerOrg": published} | others
                if self._contracts.find_one(remaining, {"_id": 1}, session=session) is None:
                    after[name].discard(published)
        return after, [name for name in after if after[name] != before[name]]

    def _find_registered_ids(self, names: Iterable[str], session: ClientSession) -> dict[str, set[str]]:
        """Find the registered ids of stored contracts by name.

        Each name is a search of its own, which skips from id to id in the index, however many contracts there are: 792
        keys for 100 names with 7 ids each, one of them with 100,000 contracts. All go in one command, because a round
        trip a name took half of a page's time.
        """
        ids: dict[str, set[str]] = {name: set() for name in names}
        searches: list[dict[str, Any]] = [
            {"$documents": [{"_id": name} for name in ids]},
            {
                "$lookup": {
                    "from": self._contracts.name,
                    "localField": "_id",
                    "foreignField": "buyerKey",
                    "pipeline": [{"$group": {"_id": "$buyerOrg"}}],
                    "as": "published",
                }
            },
            {"$unwind": "$published"},  # a row an id: all ids of a name might be too large for one document
        ]
        for row in self._db.aggregate(searches, session=session) if ids else ():
            published = row["published"]["_id"]
            if isinstance(published, str) and register_of(published):
                ids[row["_id"]].add(published)
        return ids

    def _others(
        self, names: list[str], replaced: list[Mapping[str, Any]], session: ClientSession
    ) -> list[dict[str, Any]]:
        """Read the other contracts of names whose ids change."""
        if not names:
            return []
        query = {"buyerKey": {"$in": names}, "_id": {"$nin": [each["_id"] for each in replaced]}}
        found = map(read_contract, self._contracts.find(query, BUYER_FIELDS, session=session))
        # One that has lost its name stays where it is: nothing says which buyer it belongs to.
        return [each for each in found if each["buyerName"] != UNKNOWN_BUYER]

    def _adoptable(
        self, key: str, assignments: list[Assignment], changed: list[str], session: ClientSession
    ) -> ObjectId | None:
        """Return the buyer whose new key is `key`: what users added to it stays with its organisation.

        All its contracts belong to `key` now, and had the same names before. `changed`: the names of which all
        contracts are among `assignments`.
        """
        joining = [each for each in assignments if each.org_id == key]
        leaving = {each.buyer_id for each in assignments if each.org_id != key}
        names = [each.name for each in joining if each.name in changed]
        candidates = {each.buyer_id for each in joining if each.same_name and each.buyer_id} - leaving
        taken = {each.org_id for each in assignments if each.org_id}
        for buyer_id in sorted(candidates, key=str):
            buyer = without_foreign_types(self._buyers.find_one({"_id": buyer_id}, {"orgId": 1}, session=session) or {})
            stranger: dict[str, Any] = {"$nin": names}
            if not register_of(buyer.get("orgId")):
                # Contracts stored before there was a buyerKey follow, and are moved on when they are mapped again.
                stranger["$exists"] = True
            query = {"buyerId": buyer_id, "buyerKey": stranger}
            met = self._contracts.find_one(query, {"_id": 1}, session=session)
            if buyer and buyer.get("orgId") not in taken and met is None:
                return buyer_id
        return None

    def auto_extract_buyers(self, assignments: Iterable[Assignment], session: ClientSession) -> int:
        """Create the buyers that contracts belong to, each from its first contract; return how many were created.

        A buyer that is there is left alone, because users may have changed it since.
        """
        now, upserts = self._clock.now(), {}
        for each in assignments:
            if each.org_id and each.org_id not in upserts:
                contract: Any = each.contract
                if not each.is_written:
                    contract = read_contract(self._contracts.find_one({"_id": contract["_id"]}, session=session) or {})
                buyer = {**map_buyer(contract, each.org_id), "contractCount": 0, "createdAt": now, "updatedAt": now}
                upserts[each.org_id] = UpdateOne({"orgId": each.org_id}, {"$setOnInsert": buyer}, upsert=True)
        if not upserts:
            return 0
        return self._buyers.bulk_write(list(upserts.values()), ordered=False, session=session).upserted_count

    def _move(self, assignments: list[Assignment], known: Mapping[str, ObjectId], session: ClientSession) -> None:
        """Move stored contracts to their buyers, and the counts of all buyers by what they gain and lose."""
        now = self._clock.now()
        counts: Counter[ObjectId | None] = Counter()
        moved: defaultdict[ObjectId | None, list[Any]] = defaultdict(list)
        for each in assignments:
            buyer_id = known.get(each.org_id or "")
            if buyer_id != each.buyer_id:
                counts[buyer_id] += 1
                counts[each.buyer_id] -= 1
                if not each.is_written:
                    moved[buyer_id].append(each.contract["_id"])
        # A buyer that others created may have no count or one that is no number: `$inc` would begin at 0, or fail.
        unnumbered = {"_id": {"$in": list(counts)}, "$expr": {"$not": {"$isNumber": "$contractCount"}}}
        for buyer in self._buyers.find(unnumbered, {"_id": 1}, session=session):
            self._recount(buyer["_id"], session)
        for buyer_id, contracts in moved.items():
            changes = {"$set": {"buyerId": buyer_id, "updatedAt": now}}
            self._contracts.update_many({"_id": {"$in": contracts}}, changes, session=session)
        updates = [
            UpdateOne({"_id": buyer_id}, {"$inc": {"contractCount": by}, "$set": {"updatedAt": now}})
            for buyer_id, by in counts.items()
            if buyer_id is not None and by
        ]
        if updates:
            self._buyers.bulk_write(updates, ordered=False, session=session)

    def recount_buyers(self) -> int:
        """Set every buyer's contractCount to the number of its contracts; return how many were wrong.

        Safe beside running syncs: each correction counts and writes in its own transaction, which conflicts with any
        page that changes the same buyer's count.
        """
        by_buyer = [{"$group": {"_id": "$buyerId", "n": {"$sum": 1}}}]
        # Without the hint all contracts are read, some 10 GB of a long history, before the first answer.
        found = self._contracts.aggregate(by_buyer, hint={"buyerId": 1})
        counted = {row["_id"]: row["n"] for row in found if isinstance(row["_id"], Hashable)}
        wrong = [
            buyer["_id"]
            for buyer in self._buyers.find({}, {"contractCount": 1})
            if buyer.get("contractCount") != counted.get(buyer["_id"], 0)
        ]
        with self._db.client.start_session() as session:
            for buyer_id in wrong:
                session.with_transaction(partial(self._recount, buyer_id))
        return len(wrong)

    def _recount(self, buyer_id: ObjectId, session: ClientSession) -> None:
        count = self._contracts.count_documents({"buyerId": buyer_id}, session=session)
        changes = {"$set": {"contractCount": count, "updatedAt": self._clock.now()}}
        self._buyers.update_one({"_id": buyer_id}, changes, session=session)
