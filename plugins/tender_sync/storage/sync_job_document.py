"""One document of `syncJobs`: its typed model, and the reading position it holds.

People, and the first version of this pipeline, write to these documents as well. What the sync cannot go on from is
refused in one sentence; fields that are not of the model are left alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from tender_sync.errors import FixSetup
from tender_sync.number_proof import NumberProof
from tender_sync.sources.base import Source
from tender_sync.timestamps import parse_timestamp, whole_second
from tender_sync.windows import OpenWindow, ReadPosition, Recheck

BACKFILLING, SYNCING, ERROR = "backfilling", "syncing", "error"
# Stands for a watermark where there is none yet; never stored.
BEFORE_ALL = datetime(2000, 1, 1, tzinfo=UTC)


class _Part(BaseModel):
    """A part of the document; values must have these very types."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False, alias_generator=to_camel)


class _Window(_Part):
    start: datetime = Field(alias="from")
    end: datetime = Field(alias="to")
    pages: float
    # Jobs of an earlier version have no numbers: their open window proves nothing, and so is read again if long.
    held: float | None = None
    top_number: float | None = None

    def read(self) -> OpenWindow:
        numbers = NumberProof(int(self.held or 0), _whole(self.top_number))
        return OpenWindow(self.start, self.end, int(self.pages), numbers)


class _Recheck(_Part):
    end: datetime = Field(alias="to")
    held: float
    found: float
    span_seconds: float = Field(ge=1, le=10**9)

    def read(self) -> Recheck:
        return Recheck(self.end, int(self.held), timedelta(seconds=self.span_seconds), found=int(self.found))


class _Lease(_Part):
    owner: str
    taken_at: datetime
    expires_at: datetime


class SyncJobDocument(_Part):
    """The fields that a run goes on from, or that it adds to. `doubt` is the stored name of a recheck."""

    cursor: str | None = None
    backfill_start_date: Any = None
    last_synced_date: Any = None
    window: _Window | None = None
    # A window of no length would end every run at once, as if all were read.
    window_span_seconds: float = Field(1.0, ge=1, le=10**9)
    last_number: float | None = None
    recheck: _Recheck | None = Field(None, alias="doubt")
    loses_releases: bool = False
    failures: float = 0.0
    total_fetched: float = 0.0
    totals: dict[str, float] = Field(default_factory=dict)
    error_log: list[Any] | None = None
    suspect_windows: list[Any] | None = None
    lease: _Lease | None = None
    last_run_at: datetime | None = None
    backfill_completed_at: datetime | None = None


@dataclass(frozen=True)
class SyncJob:
    """Where a source is, as read from its document.

    `backfilling` until the whole history has been read once, whatever `status` or `cursor` say. `failures` counts the
    runs in a row that did not get past the open window.
    """

    backfilling: bool
    position: ReadPosition
    backfill_start: datetime
    failures: int

    @property
    def status(self) -> str:
        """The status of a source that is not in error."""
        return BACKFILLING if self.backfilling else SYNCING


def validated(document: Mapping[str, Any], source: Source) -> SyncJobDocument:
    """Return the document of `source` as its model; raise FixSetup if this package would not have written a value."""
    try:
        found = SyncJobDocument.model_validate(document)
    except ValidationError as invalid:
        error = invalid.errors(include_url=False)[0]
        name, is_missing = ".".join(map(str, error["loc"])), error["type"] == "missing"
        met = "missing" if is_missing else f"{error['input']!r:.100}"
        expected = "a value" if is_missing else error["msg"].removeprefix("Input should be ").partition(" or inst")[0]
        raise FixSetup(
            f"syncJobs.{name} of {source.title} is {met}; expected {expected}. Correct it in MongoDB"
        ) from None
    for name, value in (("backfillStartDate", found.backfill_start_date), ("lastSyncedDate", found.last_synced_date)):
        if value:
            parse_timestamp(value, f"syncJobs.{name} of {source.title}")
    return found


def sync_job(document: Mapping[str, Any], source: Source) -> SyncJob:
    """Return where `source` is by its document; raise FixSetup if a run cannot go on from a value."""
    found = validated(document, source)
    start = _moment(found.backfill_start_date) or source.history_start
    return SyncJob(
        backfilling=not found.backfill_completed_at,
        position=ReadPosition(
            watermark=_moment(found.last_synced_date) or start,
            next_span=timedelta(seconds=found.window_span_seconds),
            open_window=found.window.read() if found.window else None,
            cursor=found.cursor,
            last_number=_whole(found.last_number),
            recheck=found.recheck.read() if found.recheck else None,
            loses_releases=found.loses_releases,
        ),
        backfill_start=start,
        failures=int(found.failures),
    )


def position_fields(position: ReadPosition) -> dict[str, Any]:
    """Return a reading position as fields of the document; `reached` is of one run only and not kept."""
    window, recheck = position.open_window, position.recheck
    return {
        "cursor": position.cursor,
        "lastSyncedDate": iso(position.watermark),
        "window": window
        and {
            "from": window.start,
            "to": window.end,
            "pages": window.pages,
            "held": window.numbers.count,
            "topNumber": window.numbers.highest,
        },
        "lastNumber": position.last_number,
        "doubt": recheck
        and {
            "to": recheck.end,
            "held": recheck.expected,
            "found": recheck.found,
            "spanSeconds": recheck.span.total_seconds(),
        },
        "windowSpanSeconds": position.next_span.total_seconds(),
        "losesReleases": position.loses_releases,
    }


def iso(moment: datetime) -> str:
    """Return a moment as the text that the web app's model has for dates of a sync job."""
    return whole_second(moment).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(text: str | None) -> datetime | None:
    return parse_timestamp(text, "syncJobs") if text else None


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
