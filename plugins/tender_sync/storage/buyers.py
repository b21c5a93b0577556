"""Which buyer each contract belongs to, kept right with the buyers' counts inside the page's transaction."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.read_concern import ReadConcern

from tender_sync.clock import Clock
from tender_sync.identity.buyer_keys import map_buyer, name_key, org_id
from tender_sync.mapping.contract import MappedContract
from tender_sync.mapping.parties import UNKNOWN_BUYER, register_of
from tender_sync.storage.documents import read_contract, without_foreign_types

# The fields of a stored contract that its buyer depends on.
BUYER_FIELDS = ("buyerKey", "buyerName", "buyerOrg", "buyerId")
# MongoDB takes up to 1,000 stages in a pipeline.
_SEARCHES_AT_ONCE = 500


@dataclass(frozen=True)
class Assignment:
    """A contract, the buyer it hangs on so far, and the key of the one it belongs to.

    `name`: its name key. `same_name`: it had that already, so that the buyer so far is the same organisation.
    `whole_name`: the name's ids change, so that all its contracts are held.
    """

    contract: Mapping[str, Any]
    name: str | None
    buyer_id: ObjectId | None
    org_id: str | None
    same_name: bool
    whole_name: bool

    @property
    def is_written(self) -> bool:
        """Say whether the contract is about to be written; the others are stored, and share a name with one that is."""
        return "_id" not in self.contract


class Buyers:
    """The buyers of `db`: one for each organisation, as far as names and registers tell (`buyers.org_id`).

    Whose a contract is depends on all the contracts of its name, so that one may give others another buyer: the first
    id in a register makes the name's buyer that id's; a second one in the same register parts them again.
    """

    def __init__(self, db: Database[dict[str, Any]], clock: Clock) -> None:
        self._contracts = db["contracts"]
        self._buyers = db["buyers"]
        self._client = db.client
        self._clock = clock

    def assign_buyers(
        self, writes: Mapping[str, MappedContract], stored: Mapping[str, Mapping[str, Any]], session: ClientSession
    ) -> tuple[dict[str, ObjectId | None], int]:
        """Find the buyers of contracts about to be written: by notice id; and how many buyers had to be created.

        `stored` are the same contracts as they are, by notice id. Others of their names that now belong elsewhere are
        moved, and all counts with them. Nobody else may be writing contracts meanwhile.
        """
        held = self._holdings(writes, stored, session)
        keys = {each.org_id for each in held if each.org_id}
        known = {buyer["orgId"]: buyer["_id"] for buyer in self._find(keys, session)}
        for key in sorted(keys - known.keys()):
            adopted = self._adoptable(key, held, keys, session)
            if adopted:
                renamed = {"$set": {"orgId": key, "updatedAt": self._clock.now()}}
                self._buyers.update_one({"_id": adopted}, renamed, session=session)
                known[key] = adopted
        created = self.auto_extract_buyers([each for each in held if each.org_id not in known], session)
        if created:
            known |= {buyer["orgId"]: buyer["_id"] for buyer in self._find(keys, session)}
        self._move(held, known, session)
        buyer_ids = {each.contract["noticeId"]: known.get(each.org_id) for each in held if each.is_written}
        return buyer_ids, created

    def _find(self, keys: Iterable[str], session: ClientSession) -> list[dict[str, Any]]:
        return list(self._buyers.find({"orgId": {"$in": list(keys)}}, {"orgId": 1}, session=session))

    def _holdings(
        self, writes: Mapping[str, MappedContract], stored: Mapping[str, Mapping[str, Any]], session: ClientSession
    ) -> list[Assignment]:
        """Return the contracts to be written and, of names that gain or lose a registered id by them, all others."""
        replaced = [stored[notice_id] for notice_id in writes if notice_id in stored]
        named, was_named = {_named(each) for each in writes.values()}, {_named(each) for each in replaced}
        before = self._registered({name for name, _ in named | was_named if name})
        after = {name: set(ids) for name, ids in before.items()}
        for name, published in named:
            if name and register_of(published):
                after[name].add(published)
        for name, published in was_named - named:
            if name and not self._remains(name, published, replaced, session):
                after[name].discard(published)
        changed = [name for name in after if after[name] != before[name]]
        held = []
        for notice_id, contract in writes.items():
            name, was = name_key(contract["buyerName"]), stored.get(notice_id)
            same_name = was is not None and name_key(was["buyerName"]) == name
            key = org_id(contract, after.get(name or "", ()))
            held.append(Assignment(contract, name, was["buyerId"] if was else None, key, same_name, name in changed))
        for other in self._others(changed, replaced, session):
            name = other["buyerKey"]
            key = org_id(other, after[name])
            held.append(Assignment(other, name, other["buyerId"], key, same_name=True, whole_name=True))
        return held

    def _registered(self, names: Iterable[str]) -> dict[str, set[str | None]]:
        """Return the ids in registers that stored contracts have, by name.

        Each name is a search of its own, which skips from id to id in the index, however many contracts there are; they
        go in one command, since a round trip a name took half of a page's time. Transactions may not send it: it is
        sent beside this one, whose turn keeps contracts as they are, and read concern `local` sees what it sees.
        """
        contracts = self._contracts.with_options(read_concern=ReadConcern("local"))
        ids: dict[str, set[str | None]] = {name: set() for name in names}
        searches = [
            [{"$match": {"buyerKey": name}}, {"$group": {"_id": "$buyerOrg"}}, {"$set": {"name": name}}] for name in ids
        ]
        for at in range(0, len(searches), _SEARCHES_AT_ONCE):
            first, *others = searches[at : at + _SEARCHES_AT_ONCE]
            union = [{"$unionWith": {"coll": contracts.name, "pipeline": search}} for search in others]
            for row in contracts.aggregate([*first, *union]):
                if isinstance(row["_id"], str) and register_of(row["_id"]):
                    ids[row["name"]].add(row["_id"])
        return ids

    def _remains(
        self, name: str, published: str | None, replaced: list[Mapping[str, Any]], session: ClientSession
    ) -> bool:
        """Say whether contracts other than those about to be replaced name this buyer by this id."""
        gone = {"$nin": [each["_id"] for each in replaced]}
        query = {"buyerKey": name, "buyerOrg": published, "_id": gone}
        return self._contracts.find_one(query, {"_id": 1}, session=session) is not None

    def _others(
        self, names: list[str], replaced: list[Mapping[str, Any]], session: ClientSession
    ) -> list[dict[str, Any]]:
        if not names:
            return []
        query = {"buyerKey": {"$in": names}, "_id": {"$nin": [each["_id"] for each in replaced]}}
        found = map(read_contract, self._contracts.find(query, BUYER_FIELDS, session=session))
        # One that has lost its name stays where it is: nothing says which buyer it belongs to.
        return [each for each in found if each["buyerName"] != UNKNOWN_BUYER]

    def _adoptable(self, key: str, held: list[Assignment], keys: set[str], session: ClientSession) -> ObjectId | None:
        """Return the buyer that `key` is the new key of, so that what users added to it stays with its organisation.

        That is one on which contracts of `key` hang so far under the same name, and no others.
        """
        names = [each.name for each in held if each.org_id == key and each.whole_name]
        staying = {each.buyer_id for each in held if each.org_id == key and each.same_name and each.buyer_id}
        leaving = {each.buyer_id for each in held if each.org_id != key}
        for buyer_id in sorted(staying - leaving, key=str):
            buyer = without_foreign_types(self._buyers.find_one({"_id": buyer_id}, {"orgId": 1}, session=session) or {})
            stranger: dict[str, Any] = {"$nin": names}
            if not register_of(buyer.get("orgId")):
                # Contracts stored before there was a buyerKey follow, and are moved on when they are mapped anew.
                stranger["$exists"] = True
            query = {"buyerId": buyer_id, "buyerKey": stranger}
            met = self._contracts.find_one(query, {"_id": 1}, session=session)
            if buyer and buyer.get("orgId") not in keys and met is None:
                return buyer_id
        return None

    def auto_extract_buyers(self, holdings: Iterable[Assignment], session: ClientSession) -> int:
        """Create the buyers that `holdings` belong to, from the first of each; return how many were created.

        A buyer that is there is left alone, because enrichment may have changed it since.
        """
        fresh: dict[str, Any] = {}
        for each in holdings:
            if each.org_id and each.org_id not in fresh:
                contract: Any = each.contract
                if not each.is_written:
                    stored = self._contracts.find_one({"_id": contract["_id"]}, session=session)
                    contract = read_contract(stored or {})
                fresh[each.org_id] = map_buyer(contract, each.org_id)
        if not fresh:
            return 0
        now = self._clock.now()
        counted = {"contractCount": 0, "createdAt": now, "updatedAt": now}
        upserts = [
            UpdateOne({"orgId": key}, {"$setOnInsert": {**buyer, **counted}}, upsert=True)
            for key, buyer in fresh.items()
        ]
        return self._buyers.bulk_write(upserts, ordered=False, session=session).upserted_count

    def _move(self, held: list[Assignment], known: Mapping[str, ObjectId], session: ClientSession) -> None:
        now = self._clock.now()
        counts: Counter[ObjectId | None] = Counter()
        moved: defaultdict[ObjectId | None, list[Any]] = defaultdict(list)
        for each in held:
            buyer_id = known.get(each.org_id or "")
            if buyer_id != each.buyer_id:
                counts[buyer_id] += 1
                counts[each.buyer_id] -= 1
                if not each.is_written:
                    moved[buyer_id].append(each.contract["_id"])
        # Somebody else may have created one, or written no number: `$inc` would fail, or begin at nought.
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

        Safe beside running syncs: each correction counts and writes in a transaction of its own, which conflicts with
        any page that moves the same buyer's count.
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
        with self._client.start_session() as session:
            for buyer_id in wrong:
                session.with_transaction(partial(self._recount, buyer_id))
        return len(wrong)

    def _recount(self, buyer_id: ObjectId, session: ClientSession) -> None:
        count = self._contracts.count_documents({"buyerId": buyer_id}, session=session)
        self._buyers.update_one(
            {"_id": buyer_id},
            {"$set": {"contractCount": count, "updatedAt": self._clock.now()}},
            session=session,
        )


def _named(contract: Mapping[str, Any]) -> tuple[str | None, str | None]:
    return name_key(contract["buyerName"]), contract["buyerOrg"]
