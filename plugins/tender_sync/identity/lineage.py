"""Decides which notice of a procurement to show, which notice supersedes which, and until when bids are taken.

Pure: from whole families of notices to the `Standing` of each, whatever order they came in. docs/LINEAGE.md says which
notices are one family, and has the rules case by case, with the notices on which they were found.
"""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain, pairwise
from operator import attrgetter
from typing import Any, TypedDict

from tender_sync.identity.notice_facts import UNDATED, Kind, Notice, Step, notice_of
from tender_sync.mapping.groups import connected_groups
from tender_sync.sources import SOURCES


class Standing(TypedDict):
    """The fields that a contract gets from the other notices of its family."""

    isLatest: bool
    supersededBy: str | None
    deadlineDate: datetime | None


_ORDER = attrgetter("order")
_AFTER_PLANNING = frozenset({Kind.TENDER, Kind.AWARD, Kind.CANCELLATION})
_TAKES_BIDS = frozenset({Kind.PLANNING, Kind.TENDER})  # a call for competition may be a prior information notice


def lineage(contracts: Iterable[Mapping[str, Any]]) -> dict[str, Standing]:
    """Return the standing of each notice, by notice id.

    `contracts` are whole families of one source: every contract that shares an ocid or a guid with one of them, with
    the fields `notice_facts.LINEAGE_FIELDS`.
    """
    notices = sorted(map(notice_of, contracts), key=_ORDER)
    superseded_by = _newer_versions(notices)
    deadlines = {notice.id: notice.deadline for notice in notices}
    # Only the newest version of a notice counts: it may be a plan again, where an older version was a tender.
    newest = [notice for notice in notices if notice.id not in superseded_by]
    for relatives in connected_groups(newest, _ocid_and_buyers):
        family = _Family(relatives)
        superseded_by |= family.superseded_by()
        deadlines |= family.deadlines
    return {
        notice_id: Standing(
            isLatest=notice_id not in superseded_by, supersededBy=superseded_by.get(notice_id), deadlineDate=deadline
        )
        for notice_id, deadline in deadlines.items()
    }


def keys_of(source: str, contract: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the keys that find a contract's family: `("ocid", ocid)` and `("guid", prefix of its notice ids)`."""
    ocid = contract.get("ocid")  # contracts of the first version may lack any field
    keys = {("ocid", ocid)} if ocid else set()
    guid = SOURCES[source].publisher.guid_of(contract["noticeId"])
    return keys | {("guid", f"{guid}-")} if guid else keys


def _newer_versions(notices: Iterable[Notice]) -> dict[str, str]:
    """Return, by notice id, the next version of each Contracts Finder notice. `notices` are in order."""
    versions: defaultdict[str, list[str]] = defaultdict(list)
    for notice in notices:
        if notice.guid:
            versions[notice.guid].append(notice.id)
    return dict(chain.from_iterable(pairwise(ids) for ids in versions.values()))


def _ocid_and_buyers(notice: Notice) -> list[tuple[str, str]]:
    """Return the keys that notices of one family share; buyers may share only the id, or only the name."""
    return [(notice.ocid, buyer) for buyer in notice.buyers] if notice.ocid is not None else []


class _Family:
    """The notices of one ocid and buyer, in order of publication. A notice is either full or partial."""

    def __init__(self, notices: Sequence[Notice]) -> None:
        self._notices = notices
        self._full = [notice for notice in notices if not notice.is_partial]
        self._last_tender = next((notice for notice in reversed(self._full) if notice.kind is Kind.TENDER), None)
        self._awards = [notice for notice in self._full if notice.kind is Kind.AWARD]
        self._cancellations = [notice for notice in self._full if notice.kind is Kind.CANCELLATION]
        # An index, so that thousands of award notices under one ocid stay cheap. None: notices that name no award.
        self._awards_by_step: defaultdict[tuple[str | None, Step], list[Notice]] = defaultdict(list)
        for notice in self._awards:
            for award in notice.awards or (None,):
                self._awards_by_step[award, notice.step].append(notice)
        self._original_awards = [notice for notice in self._awards if not notice.is_update]
        self.deadlines = self._deadlines()

    def _deadlines(self) -> dict[str, datetime | None]:
        """Return each notice's deadline. The last corrigendum that states one moves that of the tender it describes."""
        deadlines: dict[str, datetime | None] = {}
        for notice in self._notices:
            deadline = deadlines[notice.id] = notice.deadline or deadlines.get(notice.id)
            described = self._described_by(notice) if notice.is_partial and deadline else None
            if described and described.kind in _TAKES_BIDS:
                deadlines[described.id] = deadline
        return deadlines

    def superseded_by(self) -> dict[str, str]:
        """Return, by notice id, the notice that supersedes it. Notices to be shown are not among the keys."""
        found = {notice.id: successor for notice in self._notices if (successor := self._successor(notice))}
        for update in self._awards:
            updated = self._updated_award(update)
            if updated and (updated.id not in found or update.order < found[updated.id].order):
                found[updated.id] = update
        return {notice_id: successor.id for notice_id, successor in found.items()}

    def _successor(self, notice: Notice) -> Notice | None:
        """Return the notice that supersedes `notice`, apart from updates of awards."""
        if notice.is_partial:
            return self._described_by(notice)
        if notice.kind is Kind.AWARD:
            return self._successor_of_award(notice)
        later = self._full[bisect(self._full, notice.order, key=_ORDER) :]
        if notice.kind is Kind.PLANNING:
            # A tender supersedes the plan even when the plan was published once more after it.
            newer = (each for each in later if each.kind in _AFTER_PLANNING or _is_newer_version(each, notice))
            return next(newer, self._last_tender)
        if notice.kind is Kind.TENDER:
            return _successor_of_tender(notice, later, self.deadlines[notice.id])
        return next((each for each in later if _is_newer_version(each, notice)), None)

    def _described_by(self, partial: Notice) -> Notice | None:
        """Return the full notice that a partial notice describes: the last one before it or, without one, the first.

        A partial notice that states a deadline describes a tender, even after an award (a dynamic purchasing system
        goes on). Where there is no full notice, return the next partial notice about the same: the newest is shown.
        """
        described = [each for each in self._full if _is_about(partial, each)]
        if partial.deadline:
            described = [each for each in described if each.kind is Kind.TENDER] or described
        if described:
            return next((each for each in reversed(described) if each.order < partial.order), described[0])
        later = (each for each in self._notices if each.is_partial and each.order > partial.order)
        return next((each for each in later if each.kind is partial.kind and _is_about(partial, each)), None)

    def _successor_of_award(self, notice: Notice) -> Notice | None:
        """Return the notice that supersedes the last part of an award notice; None while a part is not superseded.

        Its parts are its contracts or, before those are signed, its awards. Without any, the first later step or
        cancellation supersedes it.
        """
        parts = _parts(notice)
        for each in self._later_steps(notice):
            parts -= _parts_superseded(notice, each)
            if not parts:
                return each
        return None

    def _later_steps(self, notice: Notice) -> list[Notice]:
        """Return the award notices of later steps about an award of `notice`, and the cancellations after it, in order.

        A UK6 that is published again after its UK7 is still the earlier step. So a later step may have an older date.
        """
        if notice.awards:
            steps = [step for step in Step if step > notice.step]
            keys = [(award, step) for award in (*notice.awards, None) for step in steps]
            found = {each for key in keys for each in self._awards_by_step.get(key, ())}
        else:
            found = {each for each in self._awards if each.step > notice.step}
        found.update(each for each in self._cancellations if each.order > notice.order)
        return sorted(found, key=_ORDER)

    def _updated_award(self, update: Notice) -> Notice | None:
        """Return the award notice that `update` updates: the last one before it of its step about its awards.

        Without one, an update of the old rules is of the only award notice there is, if that has no more awards:
        docs/LINEAGE.md says why. (The EU profile of OCDS takes the nearest before it.)
        """
        if not update.is_update:
            return None
        same_step = chain.from_iterable(self._awards_by_step[award, update.step] for award in update.awards)
        before = [each for each in same_step if each.order < update.order]
        if not before and update.is_old_rules and len(self._original_awards) == 1:
            # An award notice of a later step supersedes the update, so the update must not supersede it.
            before = [
                award
                for award in self._original_awards
                if award.order < update.order and award.step <= update.step and len(award.awards) <= len(update.awards)
            ]
        return max(before, key=_ORDER, default=None)


def _successor_of_tender(tender: Notice, later: Iterable[Notice], deadline: datetime | None) -> Notice | None:
    """Return the first of `later` that is a newer tender, an award, or the cancellation of the tender's last lot."""
    # Awards before its deadline do not supersede a dynamic purchasing system.
    open_until = deadline if tender.stays_open and deadline else UNDATED
    open_lots = set(tender.lots)
    for each in later:
        if _is_newer_version(each, tender) or (each.kind is Kind.AWARD and each.order[0] >= open_until):
            return each
        if each.kind is Kind.CANCELLATION:
            open_lots -= each.lots or open_lots
            if not open_lots:
                return each
    return None


def _is_newer_version(later: Notice, notice: Notice) -> bool:
    """Return whether `later` is `notice` published again. Versions on Contracts Finder are told by the guid instead."""
    if notice.guid:
        return False
    if notice.kind is Kind.CANCELLATION and later.kind is Kind.CANCELLATION:
        return (
            later.lots >= notice.lots
            and later.awards >= notice.awards
            and later.contracts.keys() >= notice.contracts.keys()
        )
    # A tender published after a cancellation begins the procurement again.
    return later.kind is notice.kind or (notice.kind is Kind.CANCELLATION and later.kind is Kind.TENDER)


def _parts(award_notice: Notice) -> set[str]:
    return set(award_notice.contracts or award_notice.awards)


def _parts_superseded(notice: Notice, later: Notice) -> set[str]:
    """Return the parts of an award notice that a later step, or a cancellation, supersedes."""
    if notice.contracts and later.contracts:
        return set(later.contracts)
    if later.awards:
        return {part for part in _parts(notice) if notice.contracts.get(part, part) in later.awards}
    # A cancellation that names only lots leaves the awards; a notice that names nothing is about all of them.
    return set() if later.lots else _parts(notice)


def _is_about(partial: Notice, notice: Notice) -> bool:
    """Return whether a partial notice is about `notice`: by contract, by award, or about the procurement as such."""
    if Kind.MARKET in {partial.kind, notice.kind}:
        return partial.kind is notice.kind
    if partial.contracts and notice.contracts:
        return not partial.contracts.keys().isdisjoint(notice.contracts)
    return not partial.awards or not partial.awards.isdisjoint(notice.awards)
