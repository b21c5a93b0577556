"""Decides what writing a page changes; pure, so that the write and its preview cannot differ."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tender_sync.identity.shared_notice_ids import separate_procurements
from tender_sync.mapping.contract import MappedContract

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


def classify(page: Sequence[MappedContract], stored: Mapping[str, Mapping[str, Any]], now: datetime) -> PageChanges:
    """Decide what writing a page changes; of several versions of one notice the newest counts.

    `stored`: what is stored under the page's notice ids and their `sibling_id`s (`documents.read_contract`).
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
