"""Which notice of a procurement is the one to show, and until when: who takes whose place, in whatever order they came.

Pure: from whole families of notices to the `Standing` of each. Contracts Finder keeps a notice's guid through all its
versions. Find a Tender publishes every step as a new notice under the procurement's ocid, and has reused ocids for
unrelated buyers (one for 29 of them), so a family there shares ocid and buyer.

Planning and tender are lanes in which the newest notice counts, and each lane ends the one before it. Awards are many:
a later step takes over the awards or contracts it names, and a notice of which every part was taken over is superseded;
two award notices of one step stand side by side unless one says that it updates the other. docs/LINEAGE.md has the
rules case by case, with the notices they were found on.
"""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from itertools import chain, pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypedDict

from tender_sync.identity.notice_facts import UNDATED, Lane, Notice, Step, guid_of, notice_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime


class Standing(TypedDict):
    """What a contract has from the others of its family, and the store keeps right.

    `deadlineDate` is the notice's own `statedDeadlineDate` unless a corrigendum moved it.
    """

    isLatest: bool
    supersededBy: str | None
    deadlineDate: datetime | None


_NO_AWARDS = (None,)
_TAKE_BIDS = frozenset({Lane.PLANNING, Lane.TENDER})  # a call for competition may be a prior information notice


def lineage(contracts: Iterable[Mapping[str, Any]]) -> dict[str, Standing]:
    """Return how each notice stands to the others, by notice id.

    `contracts` are whole families of one source: every contract that shares an ocid or a guid with one of them, with
    the fields `lineage_facts.LINEAGE_FIELDS`.
    """
    notices = sorted(map(notice_of, contracts), key=attrgetter("order"))
    successors: dict[str, str] = {}
    deadlines = {notice.id: notice.deadline for notice in notices}
    for versions in _grouped((notice.guid, notice) for notice in notices):
        successors |= {older.id: newer.id for older, newer in pairwise(versions)}
    # Only a notice's newest version speaks for it: what an older one was (the tender of what is a plan again) is past.
    for notices_of_one in _families(notice for notice in notices if notice.id not in successors):
        family = _Family(notices_of_one)
        successors |= family.successors()
        deadlines |= family.deadlines
    return {
        notice_id: Standing(
            isLatest=notice_id not in successors, supersededBy=successors.get(notice_id), deadlineDate=deadline
        )
        for notice_id, deadline in deadlines.items()
    }


def keys_of(source: str, contract: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return what finds the rest of a contract's family: `("ocid", …)`, and `("guid", …)`, with which ids begin."""
    ocid = contract.get("ocid")  # contracts of the first version may lack any field
    keys = {("ocid", ocid)} if ocid else set()
    guid = guid_of(source, contract["noticeId"])
    return keys | {("guid", f"{guid}-")} if guid else keys


class _Family:
    """The notices of one ocid and buyer, in order of publication."""

    def __init__(self, notices: Sequence[Notice]) -> None:
        self._notices = notices
        self._whole = [notice for notice in notices if not notice.partial]
        self._cancellations = [notice for notice in self._whole if notice.lane is Lane.CANCELLATION]
        # Award notices by what they are about and how far it is, so that thousands under one ocid stay cheap.
        self._awards: defaultdict[tuple[str | None, Step], list[Notice]] = defaultdict(list)
        for notice in self._whole:
            if notice.lane is Lane.AWARD:
                for award in notice.awards or _NO_AWARDS:
                    self._awards[award, notice.step].append(notice)
        self._first_awards = [each for each in self._whole if each.lane is Lane.AWARD and not each.updates]
        self.deadlines = self._deadlines()

    def _deadlines(self) -> dict[str, datetime | None]:
        """Return each notice's deadline, moved by the corrigenda that speak of it: what was stated last counts."""
        found: dict[str, datetime | None] = {}
        for notice in self._notices:
            deadline = found[notice.id] = notice.deadline or found.get(notice.id)
            spoken_of = self._spoken_of(notice) if notice.partial and deadline else None
            if spoken_of and spoken_of.lane in _TAKE_BIDS:
                found[spoken_of.id] = deadline
        return found

    def successors(self) -> dict[str, str]:
        """Return who superseded whom; a notice named by nobody stands for itself."""
        found: dict[str, Notice] = {}
        for notice in self._notices:
            successor = self._successor(notice)
            if successor:
                found[notice.id] = successor
        for update in self._whole:
            updated = self._updated_by(update)
            if updated and (updated.id not in found or update.order < found[updated.id].order):
                found[updated.id] = update
        return {notice_id: successor.id for notice_id, successor in found.items()}

    def _successor(self, notice: Notice) -> Notice | None:
        if notice.partial:
            return self._spoken_of(notice)
        if notice.lane is Lane.AWARD:
            return self._last_to_take_over(notice)
        later = self._whole[bisect(self._whole, notice.order, key=attrgetter("order")) :]
        if notice.lane is Lane.PLANNING:
            # What was planned has begun, even when the plan was published once more after its tender.
            return next((each for each in later if _ends_planning(each, notice)), None) or self._tender()
        if notice.lane is Lane.TENDER:
            deadline = self.deadlines[notice.id]
            return _end_of_tender(notice, later, open_until=deadline if notice.stays_open and deadline else UNDATED)
        return next((each for each in later if _is_newer_version(each, notice)), None)

    def _tender(self) -> Notice | None:
        return next((each for each in reversed(self._whole) if each.lane is Lane.TENDER), None)

    def _spoken_of(self, notice: Notice) -> Notice | None:
        """Return the full notice to show instead of one that says only what changed: the one published before it.

        Who moves a deadline speaks of a tender, even after an award (a dynamic purchasing system goes on). Without any
        full notice, the newest of its kind stands.
        """
        full = [each for each in self._whole if _is_about(notice, each)]
        if notice.deadline:
            full = [each for each in full if each.lane is Lane.TENDER] or full
        at = bisect(full, notice.order, key=attrgetter("order"))
        if full:
            return full[max(at - 1, 0)]
        partial = (each for each in self._notices if each.order > notice.order and each.partial)
        return next((each for each in partial if each.lane is notice.lane and _is_about(notice, each)), None)

    def _last_to_take_over(self, notice: Notice) -> Notice | None:
        """Return the notice with which every part of an award notice stands in further ones; None while any does not.

        Its parts are its contracts or, before those are signed, its awards. One that names no parts is taken over whole
        by the first.
        """
        left = set(notice.contracts or notice.awards)
        for each in self._further(notice):
            if notice.contracts and each.contracts:
                left -= each.contracts.keys()
            elif each.awards:
                left = {part for part in left if notice.contracts.get(part, part) not in each.awards}
            elif not each.lots:
                left = set()
            if not left:
                return each
        return None

    def _further(self, notice: Notice) -> list[Notice]:
        """Return award notices further on than `notice` about any of its awards, and later cancellations.

        UK6 may be published again after its UK7, and stays the earlier step.
        """
        steps = [step for step in Step if step > notice.step]
        found = {
            each: None
            for award in (*notice.awards, None)
            for step in steps
            for each in self._awards.get((award, step), ())
        }
        if not notice.awards:
            found = {each: None for each in self._whole if each.lane is Lane.AWARD and each.step > notice.step}
        ends = [each for each in self._cancellations if each.order > notice.order]
        return sorted([*found, *ends], key=attrgetter("order"))

    def _updated_by(self, update: Notice) -> Notice | None:
        """Return the award notice that `update` says it updates: the last before it of its step about its awards.

        Under the old rules an update (F20) has to number its contract, an award need not: the update is then of the
        only award notice there is, if that has no more awards. (The EU profile of OCDS takes the nearest before it.)
        """
        if update.lane is not Lane.AWARD or not update.updates:
            return None
        before = [n for award in update.awards for n in self._awards[award, update.step] if n.order < update.order]
        if not before and update.old_rules and len(self._first_awards) == 1:
            # One that is further on (what ended the contract) takes the update's place, and must not give it back.
            older = [n for n in self._first_awards if n.order < update.order and n.step <= update.step]
            before = [n for n in older if len(n.awards) <= len(update.awards)]
        return max(before, key=attrgetter("order"), default=None)


def _ends_planning(later: Notice, planning: Notice) -> bool:
    return later.lane in {Lane.TENDER, Lane.AWARD, Lane.CANCELLATION} or _is_newer_version(later, planning)


def _end_of_tender(tender: Notice, later: Iterable[Notice], *, open_until: datetime) -> Notice | None:
    """Return what ended a tender notice: a newer one, an award, or the cancellation of the last of its lots."""
    left = set(tender.lots)
    for each in later:
        if _is_newer_version(each, tender) or (each.lane is Lane.AWARD and each.order[0] >= open_until):
            return each
        if each.lane is Lane.CANCELLATION:
            left -= each.lots or left
            if not left:
                return each
    return None


def _is_newer_version(later: Notice, notice: Notice) -> bool:
    """Say whether `later` is the same notice published again. Contracts Finder says so itself, by the guid."""
    if notice.guid:
        return False
    if notice.lane is Lane.CANCELLATION and later.lane is Lane.CANCELLATION:
        return all(
            theirs >= ours
            for theirs, ours in (
                (later.lots, notice.lots),
                (later.awards, notice.awards),
                (later.contracts.keys(), notice.contracts.keys()),
            )
        )
    # A tender published after a cancellation is the procurement begun again.
    return later.lane is notice.lane or (notice.lane is Lane.CANCELLATION and later.lane is Lane.TENDER)


def _is_about(partial: Notice, notice: Notice) -> bool:
    """Say whether a notice of changes speaks of `notice`: by contract, by award, or of the procurement as such."""
    if Lane.MARKET in {partial.lane, notice.lane}:
        return partial.lane is notice.lane
    if partial.contracts and notice.contracts:
        return not partial.contracts.keys().isdisjoint(notice.contracts)
    return not partial.awards or not partial.awards.isdisjoint(notice.awards)


def _families(notices: Iterable[Notice]) -> Iterator[list[Notice]]:
    """Part notices by ocid and buyer; a buyer may share only its id with one notice, and only its name with another."""
    for same_ocid in _grouped((notice.ocid, notice) for notice in notices):
        families: dict[str, list[Notice]] = {}
        for notice in same_ocid:
            met = {id(families[key]): families[key] for key in notice.buyers if key in families}
            family, *others = met.values() or ([],)
            family += [notice, *chain.from_iterable(others)]
            families |= dict.fromkeys(notice.buyers.union(*(each.buyers for other in others for each in other)), family)
        for family in {id(family): family for family in families.values()}.values():
            yield sorted(family, key=attrgetter("order"))


def _grouped(keyed: Iterable[tuple[Hashable, Notice]]) -> Iterable[list[Notice]]:
    groups: defaultdict[Hashable, list[Notice]] = defaultdict(list)
    for key, notice in keyed:
        if key is not None:
            groups[key].append(notice)
    return groups.values()
