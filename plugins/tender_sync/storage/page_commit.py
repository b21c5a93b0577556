"""What a page changes in MongoDB: contracts, buyers and their counts, rejected releases and the job, all or nothing."""

from __future__ import annotations

import logging
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from bson.regex import Regex
from pymongo import UpdateOne
from pymongo.errors import DocumentTooLarge, OperationFailure

from tender_sync.identity.buyer_keys import name_key
from tender_sync.identity.lineage import Standing, keys_of, lineage
from tender_sync.identity.notice_facts import LINEAGE_FIELDS
from tender_sync.identity.shared_notice_ids import separate_procurements, sibling_id
from tender_sync.storage.buyers import Buyers
from tender_sync.storage.contract_counts import COUNTED_FIELDS, ContractCounts
from tender_sync.storage.documents import believed
from tender_sync.storage.rejected import Rejection, kept

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from pymongo.client_session import ClientSession
    from pymongo.database import Database

    from tender_sync.clock import Clock
    from tender_sync.mapping.contract import MappedContract
    from tender_sync.sources.base import Source
    from tender_sync.storage.sync_jobs import SyncJobs
    from tender_sync.windows import ReadPosition, TimeRange


log = logging.getLogger(__name__)

# Codes for documents (BSONObjectTooLarge, two of an update's result), and TransactionTooLargeForCache.
_TOO_LARGE = frozenset({10334, 17419, 17420, 388})


@dataclass(frozen=True)
class Suspect:
    """A window that was closed without a believable end, and why."""

    window: TimeRange
    reason: str


@dataclass(frozen=True, kw_only=True)
class MappedPage:
    """A page of `window` as it goes to MongoDB.

    `place`: where it leaves the source; None for one read out of turn. `counts`: what the caller counted of it (pages,
    requests, bytes …). `suspect`: its window is closed without a believable end. `settled`: `_id`s of rejected releases
    that leave, because they are among the contracts now.
    """

    window: TimeRange
    contracts: list[MappedContract]
    rejections: list[Rejection] = field(default_factory=list)
    position: ReadPosition | None = None
    counts: Counter[str] = field(default_factory=Counter)
    suspect: Suspect | None = None
    settled: Sequence[Any] = ()


@dataclass(frozen=True)
class PageChanges:
    """What writing some contracts would do: notice ids by fate, and how many were of a notice already among them.

    `remapped`: the release is the stored one, but a newer mapper has read it.
    """

    created: list[str]
    updated: list[str]
    remapped: list[str]
    unchanged: list[str]
    doubled: int


class Change(NamedTuple):
    """A field of a stored contract, as it was (None where it was not there) and as it is now."""

    before: Any
    after: Any


class Store:
    """The contracts and buyers of `db`, written for one `source` by the holder of `jobs`' lease.

    `on_commit` is told the counts of every page once it is committed.
    """

    def __init__(
        self,
        db: Database[dict[str, Any]],
        source: Source,
        jobs: SyncJobs,
        clock: Clock,
        *,
        on_commit: Callable[[Counter[str]], None] = lambda _: None,
    ) -> None:
        self._db = db
        self._contracts = db["contracts"]
        self._buyers = Buyers(db, clock)
        self._rejected = db["rejectedReleases"]
        self._turns = db["syncTurns"]
        self._stats = ContractCounts(db, source)
        self._source = source
        self._jobs = jobs
        self._clock = clock
        self._on_commit = on_commit

    def count(self) -> int:
        """Count the contracts of the source."""
        return self._contracts.count_documents({"source": self._source.name})

    def commit_page(self, page: MappedPage) -> Counter[str]:
        """Write a page and move the job to its position, in one transaction; return the page's counts.

        A page too large for MongoDB is written in halves, the job moves with the last of them; a single contract that
        is too large, with what others have added to it, becomes a rejected release. The result is `page.counts` plus
        fetched = created + updated + unchanged + rejected + doubled, and buyersCreated.

        :raises SkipRun: the lease was taken over; nothing of the page is written
        """
        try:
            return self._commit(page)
        except (OperationFailure, DocumentTooLarge) as error:
            reason = too_large(error)
            if not page.contracts or not reason:
                raise
            log.warning("a page of %d releases is halved: %s", len(page.contracts), reason)
        if len(page.contracts) == 1:
            rejections = [*page.rejections, Rejection(page.contracts[0]["rawData"], reason)]
            return self.commit_page(replace(page, contracts=[], rejections=rejections))
        half = len(page.contracts) // 2
        # Pages come newest first, and of two versions with the same date the one written last stays.
        later = MappedPage(window=page.window, contracts=page.contracts[half:])
        return self.commit_page(later) + self.commit_page(replace(page, contracts=page.contracts[:half]))

    def _commit(self, page: MappedPage) -> Counter[str]:
        def write(session: ClientSession) -> Counter[str]:
            changed = Counter(page.counts)
            changed["fetched"] = len(page.contracts) + len(page.rejections)
            changed += self.upsert_contracts(page.contracts, session)
            changed["rejected"] = len(page.rejections)
            if page.settled:
                self._rejected.delete_many({"_id": {"$in": page.settled}}, session=session)
            self._keep_rejected(page.rejections, page.window, session)
            if page.suspect:
                self._jobs.note_suspect(page.suspect.window, page.suspect.reason, session)
            # Last, so that the lease is checked as late as can be: a zombie's page ends here.
            self._jobs.update_sync_progress(page.position, changed, session)
            return changed

        with self._db.client.start_session() as session:
            # Aborted and tried again by the driver when somebody else is writing contracts (see `_lock_contracts`).
            committed = session.with_transaction(write)
        self._on_commit(committed)
        return committed

    def upsert_contracts(self, contracts: Iterable[MappedContract], session: ClientSession) -> Counter[str]:
        """Write contracts that are new or newer than what is stored; count what became of each.

        Fields that are not the mapper's are never touched. A release seen again unchanged is not written at all. Who
        supersedes whom is kept right in all families touched, and `updatedAt` moves where that changes.
        """
        counts: Counter[str] = Counter()
        newest, stored = self._separate_procurements(contracts, counts, session)
        writes = []
        for notice_id, contract in newest.items():
            before = stored.get(notice_id)
            if before is None:
                counts["created"] += 1
                writes.append(contract)
            elif self._replaces(contract, before):
                counts["updated"] += 1
                writes.append(contract)
            else:
                counts["unchanged"] += 1
        if not writes:
            return counts
        own, relatives, counts["buyersCreated"] = self._place(writes, stored, session)
        now = self._clock.now()
        upserts = [
            UpdateOne(
                {"source": contract["source"], "noticeId": contract["noticeId"]},
                {
                    "$set": {**contract, **own[contract["noticeId"]], "updatedAt": now},
                    "$setOnInsert": {"createdAt": now},
                },
                upsert=True,
            )
            for contract in writes
        ]
        self._contracts.bulk_write([*upserts, *relatives], ordered=False, session=session)
        self._stats.move(((stored.get(contract["noticeId"]), contract) for contract in writes), session)
        # What was rejected before and can be mapped now leaves; read again unchanged, a version says nothing of others.
        written = [contract["noticeId"] for contract in writes]
        self._rejected.delete_many({"source": self._source.name, "noticeId": {"$in": written}}, session=session)
        return counts

    def rewrite(self, contracts: Iterable[MappedContract], session: ClientSession) -> dict[str, dict[str, Change]]:
        """Bring stored contracts to what the mapper, and the rules of buyers and lineage, make of them today.

        `contracts` are made from what is stored, in this transaction. Returns what changed, by notice id and field.
        Nothing else is written; a contract that differs in nothing but its `mapperVersion` has not changed.
        """
        mapped = {contract["noticeId"]: contract for contract in contracts}
        found = self._contracts.find({"source": self._source.name, "noticeId": {"$in": list(mapped)}}, session=session)
        stored = {document["noticeId"]: believed(document) for document in found}
        own, updates, _ = self._place(mapped.values(), stored, session)
        now = self._clock.now()
        changes: dict[str, dict[str, Change]] = {}
        for notice_id, before in stored.items():
            after = {**mapped[notice_id], **own[notice_id]}
            changed = {name: value for name, value in after.items() if name not in before or before[name] != value}
            named = {
                name: Change(before.get(name), value) for name, value in changed.items() if name != "mapperVersion"
            }
            if named:
                changes[notice_id] = named
                changed["updatedAt"] = now
            if changed:
                updates.append(UpdateOne({"_id": before["_id"]}, {"$set": changed}))
        if updates:
            self._contracts.bulk_write(updates, ordered=False, session=session)
        self._stats.move(((stored[notice_id], mapped[notice_id]) for notice_id in changes), session)
        return changes

    def preview(self, contracts: Iterable[MappedContract]) -> PageChanges:
        """Say what `upsert_contracts` would do with these; nothing is written."""
        counts: Counter[str] = Counter()
        newest, stored = self._separate_procurements(contracts, counts)
        fates = PageChanges([], [], [], [], counts["doubled"])
        for notice_id, contract in newest.items():
            before = stored.get(notice_id)
            if before is None:
                fates.created.append(notice_id)
            elif not self._replaces(contract, before):
                fates.unchanged.append(notice_id)
            elif contract["releaseHash"] == before.get("releaseHash"):
                fates.remapped.append(notice_id)
            else:
                fates.updated.append(notice_id)
        return fates

    def _place(
        self, writes: Collection[MappedContract], stored: Mapping[str, Mapping[str, Any]], session: ClientSession
    ) -> tuple[dict[str, dict[str, Any]], list[UpdateOne], int]:
        """Find what contracts about to be written have from others: their buyers, and who supersedes them.

        Returns the fields that are the store's own by notice id, what is to be written of relatives that now stand
        otherwise, and how many buyers were created. `stored`: the same contracts as they are.
        """
        self._lock_contracts(session)
        buyer_ids, created = self._buyers.assign_buyers(writes, stored, session)
        family = self._family(writes, stored, session)
        standings = lineage(family.values())
        own = {}
        for contract in writes:
            notice_id = contract["noticeId"]
            owner = {"buyerId": buyer_ids[notice_id], "buyerKey": name_key(contract["buyerName"])}
            own[notice_id] = owner | standings.pop(notice_id)
        now, relatives = self._clock.now(), []
        for notice_id, standing in standings.items():
            if any(family[notice_id].get(name, ...) != value for name, value in standing.items()):
                relative = {"source": self._source.name, "noticeId": notice_id}
                relatives.append(UpdateOne(relative, {"$set": {**standing, "updatedAt": now}}))
        return own, relatives, created

    def _lock_contracts(self, session: ClientSession) -> None:
        """Let no two transactions write contracts at once: the later one is aborted here, and tried again.

        Whose a contract is, and what it supersedes, follows from others, which must not change between the look and the
        write. Without this, two sources could each bring the first notice of an organisation and make two buyers of it.
        """
        self._turns.update_one({"_id": "contracts"}, {"$inc": {"turn": 1}}, upsert=True, session=session)

    def _separate_procurements(
        self, contracts: Iterable[MappedContract], counts: Counter[str], session: ClientSession | None = None
    ) -> tuple[dict[str, MappedContract], dict[str, dict[str, Any]]]:
        """Return the newest contract of each `noticeId`, and what is stored of them; count those that come twice."""
        page = list(contracts)
        ids = {notice_id for contract in page for notice_id in (contract["noticeId"], sibling_id(contract))}
        fields = {"noticeId": 1, "ocid": 1, "title": 1, "releaseHash": 1, "mapperVersion": 1, **COUNTED_FIELDS}
        fields |= {"buyerId": 1, "buyerName": 1, "buyerOrg": 1}
        found = self._contracts.find(
            {"source": self._source.name, "noticeId": {"$in": list(ids)}}, fields, session=session
        )
        stored = {document["noticeId"]: believed(document) for document in found}
        return _newest_of_each(separate_procurements(page, stored), counts), stored

    def _family(
        self, writes: Iterable[MappedContract], stored: Mapping[str, Mapping[str, Any]], session: ClientSession
    ) -> dict[str, Mapping[str, Any]]:
        """Return all contracts, by notice id, that share an ocid or guid with those written or with one another.

        Those to be written stand in it as they will be; what shared an ocid with their stored version is in it, too.
        """
        family: dict[str, Mapping[str, Any]] = {contract["noticeId"]: contract for contract in writes}
        asked: set[tuple[str, str]] = set()
        before = [stored[notice_id] for notice_id in family if notice_id in stored]
        keys = {key for contract in (*family.values(), *before) for key in keys_of(self._source.name, contract)}
        while keys:
            ocids = [key for name, key in keys if name == "ocid"]
            # Not re.compile: it sends the flag u, with which MongoDB reads the whole index, however many contracts.
            prefixes = [Regex(f"^{re.escape(key)}") for name, key in keys if name == "guid"]
            relatives = self._contracts.find(
                {"source": self._source.name, "$or": [{"ocid": {"$in": ocids}}, {"noticeId": {"$in": prefixes}}]},
                (*LINEAGE_FIELDS, *Standing.__annotations__),
                session=session,
            )
            for relative in map(believed, relatives):
                if relative.get("noticeId"):
                    family.setdefault(relative["noticeId"], relative)
            asked |= keys
            keys = {key for each in family.values() for key in keys_of(self._source.name, each)} - asked
        return family

    def _replaces(self, contract: MappedContract, before: Mapping[str, Any]) -> bool:
        """Say whether `contract` is another and no older version than the stored one, or mapped by a newer mapper.

        A stored date in the future is an error of the publisher's and must not shut out its correction.
        """
        if contract["releaseHash"] == before.get("releaseHash"):
            return contract["mapperVersion"] != before.get("mapperVersion")
        ours, theirs = contract["publishedDate"], before.get("publishedDate")
        if theirs is None or theirs > self._clock.now():
            return True
        return ours is not None and ours >= theirs

    def _keep_rejected(self, rejections: list[Rejection], window: TimeRange, session: ClientSession) -> None:
        if not rejections:
            return
        found_in = {
            "source": self._source.name,
            "window": {"from": window.start, "to": window.end},
            "runId": self._jobs.run_id,
            "createdAt": self._clock.now(),
        }
        documents = [found_in | kept(rejection) for rejection in rejections]
        self._rejected.bulk_write(
            [
                UpdateOne(
                    {"source": document["source"], "contentHash": document["contentHash"]},
                    {"$setOnInsert": document},
                    upsert=True,
                )
                for document in documents
            ],
            ordered=False,
            session=session,
        )


def too_large(error: OperationFailure | DocumentTooLarge) -> str:
    """Say that what was to be written is too large for a document or a transaction; empty for any other failure."""
    if isinstance(error, OperationFailure):
        details = error.details or {}
        codes = {error.code, *(each.get("code") for each in details.get("writeErrors", ()))}
        if codes.isdisjoint(_TOO_LARGE):
            return ""
    return f"it is too large for MongoDB: {str(error)[:300]}"


def _newest_of_each(contracts: Iterable[MappedContract], counts: Counter[str]) -> dict[str, MappedContract]:
    newest: dict[str, MappedContract] = {}
    for contract in contracts:
        before = newest.get(contract["noticeId"])
        if before is not None:
            counts["doubled"] += 1
        # Pages come newest first, so of two with the same date the first is the newer one.
        if before is None or _version(contract) > _version(before):
            newest[contract["noticeId"]] = contract
    return newest


def _version(contract: MappedContract) -> float:
    return contract["publishedDate"].timestamp() if contract["publishedDate"] else float("-inf")
