"""What people write by hand: moments, and fields of a sync job; said in one sentence where it cannot be used."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from tender_sync.errors import FixSetup
from tender_sync.timestamps import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import UnionType

    from tender_sync.sources.base import Source

_Types = tuple["UnionType | type", str]
_NUMBER: _Types = (int | float, "a number")
_NUMBER_OR_NULL: _Types = (int | float | None, "a number or null")
_SPAN: _Types = (int | float, "seconds, from 1 to a billion")
_DATE: _Types = (datetime, "a date")
# What MongoDB adds to, or the sync cannot go on without: people and the first version write to the document as well.
# A field of an object comes after the object, and is needed only where that is not null.
_TYPES: Mapping[str, _Types] = {
    **dict.fromkeys(("totalFetched", "failures"), _NUMBER),
    **dict.fromkeys(("errorLog", "suspectWindows"), (list | None, "a list")),
    **dict.fromkeys(("window", "lease", "doubt"), (dict | None, "an object or null")),
    "totals": (dict, "an object"),
    **dict.fromkeys(("window.from", "window.to", "lease.expiresAt", "lease.takenAt", "doubt.to"), _DATE),
    **dict.fromkeys(("window.pages", "doubt.held", "doubt.found"), _NUMBER),
    **dict.fromkeys(("windowSpanSeconds", "doubt.spanSeconds"), _SPAN),
    **dict.fromkeys(("lastNumber", "window.held", "window.topNumber"), _NUMBER_OR_NULL),
    **dict.fromkeys(("lastRunAt", "backfillCompletedAt"), (datetime | None, "a date or null")),
    "lease.owner": (str, "a text"),
    "cursor": (str | None, "a text or null"),
}


def refuse_foreign_values(job: Mapping[str, Any], source: Source) -> None:
    """Look through a source's document for what this package would not have written.

    :raises FixSetup: there is some
    """
    for name, (types, expected) in _expected(job):
        parent, _, inner = name.rpartition(".")
        fields = job.get(parent) if parent else job
        if fields is None or not (parent or inner in fields):
            continue
        value = fields.get(inner)
        # Windows of no length would end every run at once, as if all were read.
        no_span = expected == _SPAN[1] and isinstance(value, int | float) and not 1 <= value <= 10**9
        if no_span or not isinstance(value, types):
            raise FixSetup(
                f"syncJobs.{name} of {source.title} is {value!r:.100}; expected {expected}. Correct it in MongoDB"
            )
    for name in ("backfillStartDate", "lastSyncedDate"):
        if job.get(name):
            parse_timestamp(job[name], f"syncJobs.{name} of {source.title}")


def _expected(job: Mapping[str, Any]) -> Iterator[tuple[str, _Types]]:
    yield from _TYPES.items()
    for name in job.get("totals") or ():
        yield f"totals.{name}", _NUMBER
