"""Holds the notices that the server knows: when each was published, its running number, and what replaced it.

A release is kept as its JSON text, so that a page is made by joining texts. A process with 105,000 generated releases
takes some 420 MB (1.2 GB when it held them as dictionaries as well).
"""

from __future__ import annotations

import copy
import re
import threading
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from .clock import ServerClock
from .jsontext import decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

FIND_A_TENDER: Final = "FIND_A_TENDER"
CONTRACTS_FINDER: Final = "CONTRACTS_FINDER"
SOURCES: Final = (FIND_A_TENDER, CONTRACTS_FINDER)

_SUFFIXED_GUID = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-\d+", re.ASCII | re.IGNORECASE)
_LISTINGS_KEPT = 16
"""How many walks keep their sorted order; a page of such a walk costs two bisections."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A release, and when its service published it (aware; `None`: at the server's now).

    `release` is any JSON value: a dirty feed also holds null and texts. `counted_at`, if given, replaces `when` in the
    order of the running numbers. Those are almost in date order (26 inversions of seconds in the 11,037 releases
    recorded in August 2026).
    """

    source: str
    release: Any
    when: datetime | None = None
    counted_at: datetime | None = None


@dataclass(slots=True, eq=False)
class Entry:
    """One published release in the catalogue. `superseded_at`: when a later version replaced it; `None` if none has."""

    number: int
    when: datetime
    notice_id: str | None
    body: bytes
    superseded_at: datetime | None = None

    @property
    def release(self) -> Any:
        """The release as a JSON value, decoded each time."""
        return decode(self.body)

    def shown(self, now: datetime) -> bool:
        """Return whether the service shows this release at `now`."""
        return self.when <= now and (self.superseded_at is None or self.superseded_at > now)


def parse_date(value: Any) -> datetime | None:
    """Read an OCDS date as UTC; `None` for a text that is no date, has no zone, or is out of range, as in year 1."""
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value)
        return None if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def notice_key(source: str, notice_id: str) -> str:
    """Return the key of the notice that a release belongs to.

    Contracts Finder's release id is `<notice guid>-<6 digits>`; an update keeps the guid and changes the digits, and
    the search shows only the latest. In Find a Tender every notice has an id of its own.
    """
    matched = _SUFFIXED_GUID.fullmatch(notice_id) if source == CONTRACTS_FINDER else None
    return notice_id if matched is None else matched[1]


def _notice_id(release: Any) -> str | None:
    value = release.get("id") if isinstance(release, dict) else None
    return value if isinstance(value, str) and value else None


def _ocid(release: Any) -> str | None:
    value = release.get("ocid") if isinstance(release, dict) else None
    return value if isinstance(value, str) else None


class _Shelf:
    """The entries of one source, by date and by running number."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.uncounted: list[tuple[datetime, Entry, str | None]] = []
        self.by_date: list[Entry] = []
        self.by_key: dict[str, list[Entry]] = {}
        self.by_id: dict[str, list[Entry]] = {}
        self.by_ocid: dict[str, list[Entry]] = {}
        self.top = 0
        self.version = 0
        self.listings: OrderedDict[tuple[int, ...], list[Entry]] = OrderedDict()

    def collect(self, publication: Publication, when: datetime) -> None:
        """Take one of the server's first publications; call `number` when all are there."""
        release = publication.release
        entry = Entry(0, when, _notice_id(release), encode(release))
        self.uncounted.append((publication.counted_at or when, entry, _ocid(release)))

    def number(self) -> None:
        """Give running numbers to the collected publications."""
        self.uncounted.sort(key=lambda row: row[0])
        for _, entry, ocid in self.uncounted:
            self.top += 1
            entry.number = self.top
            self.by_date.append(entry)
            self._register(entry, ocid)
        self.uncounted.clear()
        self.by_date.sort(key=attrgetter("when"))

    def add(self, when: datetime, release: Any, *, in_place: bool) -> Entry:
        self.top += 1
        entry = Entry(self.top, when, _notice_id(release), encode(release))
        if in_place and entry.notice_id is not None:
            for older in self.by_id.get(entry.notice_id, []):
                older.superseded_at = older.superseded_at or max(when, older.when)
        self.by_date.insert(bisect_right(self.by_date, when, key=attrgetter("when")), entry)
        self._register(entry, _ocid(release))
        self.version += 1
        return entry

    def _register(self, entry: Entry, ocid: str | None) -> None:
        if entry.notice_id is None:
            return
        self.by_id.setdefault(entry.notice_id, []).append(entry)
        if ocid is not None:
            self.by_ocid.setdefault(ocid, []).append(entry)
        if self.source == CONTRACTS_FINDER:
            versions = self.by_key.setdefault(notice_key(self.source, entry.notice_id), [])
            versions.append(entry)
            versions.sort(key=lambda e: (e.when, e.number))
            for older, newer in pairwise(versions):
                older.superseded_at = newer.when

    def listing(self, start: datetime | None, end: datetime | None, now: datetime) -> list[Entry]:
        when: Callable[[Entry], datetime] = attrgetter("when")
        low = 0 if start is None else bisect_left(self.by_date, start, key=when)
        horizon = bisect_right(self.by_date, now, key=when)
        high = horizon if end is None else min(horizon, bisect_right(self.by_date, end, key=when))
        key = (low, high, horizon, self.version)
        found = self.listings.get(key)
        if found is None:
            found = sorted(
                (entry for entry in self.by_date[low:high] if entry.shown(now)),
                key=attrgetter("number"),
                reverse=True,
            )
            self.listings[key] = found
            if len(self.listings) > _LISTINGS_KEPT:
                self.listings.popitem(last=False)
        return found


class Catalogue:
    """All releases of both sources, in memory; safe to use from several threads.

    It is built from any number of iterables of `Publication`. Running numbers follow publication order, from 1. All
    times are aware. If `on_publish` is set, it is called with each later publication and its `in_place`, so that a
    state file can keep them.
    """

    def __init__(self, *publications: Iterable[Publication], clock: ServerClock | None = None) -> None:
        self.clock = clock or ServerClock()
        self.on_publish: Callable[[Publication, bool], None] | None = None
        self._lock = threading.RLock()
        self._shelves = {source: _Shelf(source) for source in SOURCES}
        for publication in chain.from_iterable(publications):
            filed = self._when(publication.release, publication.when)
            self._shelves[publication.source].collect(publication, filed)
        for shelf in self._shelves.values():
            shelf.number()

    def publish(self, source: str, release: Any, *, when: datetime | None = None, in_place: bool = False) -> Any:
        """Publish one release under the next running number; returns the release as served.

        Its time is `when`, else its own `date`, else the server's now; a release without `date` gets that time as its
        date. With `in_place`, older versions of the same release id are no longer shown.
        """
        filed = self._when(release, when)
        if isinstance(release, dict) and "date" not in release:
            release = {**release, "date": filed.isoformat(timespec="seconds").replace("+00:00", "Z")}
        with self._lock:
            entry = self._shelves[source].add(filed, release, in_place=in_place)
            if self.on_publish is not None:
                self.on_publish(Publication(source, release, filed), in_place)
        return entry.release

    def change(
        self,
        source: str,
        notice_id: str,
        *,
        in_place: bool = False,
        edit: Callable[[dict[str, Any]], None] | None = None,
    ) -> dict[str, Any]:
        """Publish a new version of a notice, dated now by the server's clock, and return it.

        Find a Tender publishes an update as a new release of the same ocid with a new notice id; Contracts Finder keeps
        the notice's guid and changes the suffix. With `in_place` the id stays, and only date and content change.
        `edit` changes the copy; by default the title gets "(updated)". Raises KeyError for an unknown id.
        """
        with self._lock:
            release: dict[str, Any] = copy.deepcopy(self._shelves[source].by_id[notice_id][-1].release)
            release.pop("date", None)
            if not in_place:
                release["id"] = self._new_id(source, notice_id)
                release["tag"] = [_UPDATE_TAGS[source].get(tag, tag) for tag in release.get("tag", [])]
            (edit or _retitle)(release)
            published: dict[str, Any] = self.publish(source, release, in_place=in_place)
            return published

    def listing(self, source: str, start: datetime | None = None, end: datetime | None = None) -> Sequence[Entry]:
        """List the releases shown now and published in `[start, end]`, highest running number first."""
        with self._lock:
            return self._shelves[source].listing(start, end, self.clock.now())

    def find(self, source: str, name: str) -> Sequence[Entry]:
        """Find the shown releases with this notice id or ocid, newest first."""
        now = self.clock.now()
        with self._lock:
            shelf = self._shelves[source]
            entries = shelf.by_id.get(name) or shelf.by_ocid.get(name) or []
            return [entry for entry in reversed(entries) if entry.shown(now)]

    def existing(self, source: str, start: datetime | None = None, end: datetime | None = None) -> dict[str, Any]:
        """Return what a complete walk of `[start, end]` must find: the latest version of each release, by id.

        Tests compare a database with it. Releases without a usable id are left out (see `unnamed`).
        """
        found: dict[str, Entry] = {}
        for entry in sorted(self.listing(source, start, end), key=lambda e: (e.when, e.number)):
            if entry.notice_id is not None:
                found[entry.notice_id] = entry
        return {notice_id: entry.release for notice_id, entry in found.items()}

    def unnamed(self, source: str, start: datetime | None = None, end: datetime | None = None) -> list[Any]:
        """List the shown releases without a usable id, which can only be kept as rejected."""
        return [entry.release for entry in self.listing(source, start, end) if entry.notice_id is None]

    def counts(self) -> Mapping[str, int]:
        """Count the releases shown now, by source."""
        return {source: len(self.listing(source)) for source in SOURCES}

    def _when(self, release: Any, when: datetime | None) -> datetime:
        if when is not None:
            return when.astimezone(UTC)
        own = parse_date(release.get("date")) if isinstance(release, dict) else None
        return own or self.clock.now().replace(microsecond=0)

    def _new_id(self, source: str, notice_id: str) -> str:
        shelf = self._shelves[source]
        stem = notice_key(source, notice_id)
        for number in range(shelf.top + 1, shelf.top + 1_000_000):
            year = self.clock.now().year
            name = f"{number:06d}-{year}" if source == FIND_A_TENDER else f"{stem}-{number:06d}"
            if name not in shelf.by_id:
                return name
        raise ValueError(f"no free notice id left for {source}: {len(shelf.by_id)} are in use")


# The tag of an update, by the tag of the release it updates (seen in recorded releases of both services).
_UPDATE_TAGS: Mapping[str, Mapping[str, str]] = {
    FIND_A_TENDER: {
        "planning": "planningUpdate",
        "tender": "tenderUpdate",
        "award": "awardUpdate",
        "contract": "contractUpdate",
    },
    CONTRACTS_FINDER: {"tender": "tenderAmendment", "award": "awardUpdate"},
}


def _retitle(release: dict[str, Any]) -> None:
    tender = release.get("tender")
    if isinstance(tender, dict):
        tender["title"] = f"{tender.get('title', '')} (updated)"
    else:
        release["description"] = "Updated"
