"""The sync job: one document a source in `syncJobs`, its lease, its life cycle and the record of its runs."""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pymongo import ReturnDocument

from tender_sync.errors import SkipRun
from tender_sync.storage.sync_job_document import refuse_foreign_values
from tender_sync.timestamps import parse_timestamp, whole_second
from tender_sync.windows import Doubt, OpenWindow, ReadPosition, TimeRange

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

    from pymongo.client_session import ClientSession
    from pymongo.database import Database

    from tender_sync.clock import Clock
    from tender_sync.sources.base import Source

log = logging.getLogger(__name__)

# Long enough for the slowest page (a body may take 180 s), short enough that a crash delays others little.
LEASE = timedelta(minutes=5)
ERRORS_KEPT = 100
SUSPECTS_KEPT = 20

# Stands for a watermark where there is none yet; never stored.
_EVER = datetime(2000, 1, 1, tzinfo=UTC)
BACKFILLING, SYNCING, ERROR = "backfilling", "syncing", "error"


@dataclass(frozen=True)
class SyncJob:
    """Where a source is, as read from its document.

    `mode` is backfilling until the whole history has been read once, whatever `status` or `cursor` say. `failures`
    counts the runs in a row that could not get past the open window.
    """

    mode: str
    position: ReadPosition
    backfill_start: datetime
    failures: int

    @property
    def backfilling(self) -> bool:
        """Say whether the history has never yet been read to its end."""
        return self.mode == BACKFILLING


class SyncJobs:
    """The sync job of one `source`, as held by one run.

    `owner` is the task's identity: its retry takes its lease over at once. Every lease has a token of its own, and
    every write names it, so that a process which lost its lease (a zombie) cannot write any more. `mode` names what a
    run does that does not bring its source forward (replay, audit …), and so must leave the job's status alone.
    """

    def __init__(
        self,
        db: Database[dict[str, Any]],
        source: Source,
        clock: Clock,
        *,
        owner: str,
        run_id: str = "",
        mode: str | None = None,
    ) -> None:
        self._jobs = db["syncJobs"]
        self._runs = db["syncRuns"]
        self._source = source
        self._clock = clock
        self._owner = owner
        self.run_id = run_id
        self._mode = mode
        self._token = uuid.uuid4().hex

    @property
    def _mine(self) -> dict[str, str]:
        return {"source": self._source.name, "lease.token": self._token}

    def get_or_create_sync_job(self, backfill_start: datetime) -> SyncJob:
        """Take the lease of the source's job and return where it is, creating it if there is none.

        A job in error goes back to the mode it was in. A job of the pipeline's first version, which kept no windows,
        starts again: what it had seen cannot be trusted, and reading it again changes nothing that is right.

        :raises SkipRun: another run holds the lease
        :raises FixSetup: what stands in the job is no place to go on from; nothing is changed
        """
        self._create(backfill_start)
        self._restart_a_first_version_job()
        read_job(self._jobs.database, self._source)
        document = self._take_lease()
        now = self._clock.now()
        # A run that was killed could not say so itself.
        self._runs.update_many(
            {"source": self._source.name, "endedAt": None}, {"$set": {"endedAt": now, "outcome": "died"}}
        )
        self._runs.insert_one(
            {
                "_id": self._token,
                "source": self._source.name,
                "owner": self._owner,
                "runId": self.run_id,
                "mode": self._mode or document["status"],
                "startedAt": now,
                "endedAt": None,
                "outcome": None,
            }
        )
        return _from_document(document, self._source)

    def _create(self, backfill_start: datetime) -> None:
        now = self._clock.now()
        fields: dict[str, Any] = {
            "status": BACKFILLING,
            "cursor": None,
            "backfillStartDate": _iso(backfill_start),
            "lastSyncedDate": None,
            "window": None,
            "windowSpanSeconds": self._source.first_span.total_seconds(),
            "failures": 0,
            "totalFetched": 0,
            "lastRunAt": None,
            "lastRunFetched": 0,
            "lastRunErrors": 0,
            "errorLog": [],
            "suspectWindows": [],
            "backfillCompletedAt": None,
            "transitionAnnouncedBy": None,
            "lease": None,
            "createdAt": now,
            "updatedAt": now,
        }
        self._jobs.update_one({"source": self._source.name}, {"$setOnInsert": fields}, upsert=True)

    def _restart_a_first_version_job(self) -> None:
        restarted = self._jobs.update_one(
            {"source": self._source.name, "windowSpanSeconds": {"$exists": False}},
            {"$set": self._beginning() | {"errorLog": []}},
        )
        if restarted.modified_count:
            log.warning(
                "%s has a sync job of the first version, which kept no windows: its history is read again",
                self._source.name,
            )

    def _beginning(self) -> dict[str, Any]:
        return _position_fields(ReadPosition(_EVER, self._source.first_span)) | {
            "status": BACKFILLING,
            "lastSyncedDate": None,
            "backfillCompletedAt": None,
            "failures": 0,
        }

    def reset(self, start: datetime) -> None:
        """Forget where the source is, so that its history is read again from `start`; what was counted stays counted.

        :raises SkipRun: the lease has been taken over
        """
        now = self._clock.now()
        fields = self._beginning() | {
            "backfillStartDate": _iso(start),
            "transitionAnnouncedBy": None,
            "suspectWindows": [],
            "resetAt": now,
            "updatedAt": now,
        }
        self._require(self._jobs.update_one(self._mine, {"$set": fields}).matched_count)

    def _take_lease(self) -> dict[str, Any]:
        # MongoDB's own clock decides, so that hosts whose clocks differ agree on what has expired.
        free = [
            {"lease": None},
            {"lease.owner": self._owner},
            {"$expr": {"$lte": ["$lease.expiresAt", "$$NOW"]}},
            # Further ahead than a lease can end: of a clock that has been set back since, or of another primary's.
            {"$expr": {"$gt": ["$lease.expiresAt", _lease_end(2)]}},
        ]
        lease = {
            "owner": {"$literal": self._owner},
            "token": self._token,
            "takenAt": "$$NOW",
            "expiresAt": _lease_end(),
        }
        never_completed = {"$eq": [{"$ifNull": ["$backfillCompletedAt", None]}, None]}
        status: dict[str, Any] = {"$cond": [never_completed, BACKFILLING, SYNCING]}
        taken: dict[str, Any] | None = self._jobs.find_one_and_update(
            {"source": self._source.name, "$or": free},
            [
                {
                    "$set": {
                        "lease": lease,
                        "status": "$status" if self._mode else status,
                        "lastRunAt": "$$NOW",
                        "lastRunFetched": 0,
                        "lastRunErrors": 0,
                        **{name: {"$ifNull": [f"${name}", []]} for name in ("errorLog", "suspectWindows")},
                        "updatedAt": "$$NOW",
                    }
                }
            ],
            return_document=ReturnDocument.AFTER,
        )
        if taken is None:
            raise SkipRun(f"{self._source.title} is already being synced by {self._holder()}; this run leaves it alone")
        return taken

    def _holder(self) -> str:
        lease = (self._jobs.find_one({"source": self._source.name}, {"lease": 1}) or {}).get("lease")
        if not lease:
            return "nobody any more"
        return f"{lease['owner']}, whose lease runs until {lease['expiresAt']:%Y-%m-%d %H:%M:%S} UTC"

    def renew(self, session: ClientSession | None = None) -> None:
        """Keep the lease for another while.

        :raises SkipRun: it has been taken over
        """
        extended = self._jobs.update_one(self._mine, [{"$set": {"lease.expiresAt": _lease_end()}}], session=session)
        self._require(extended.matched_count)

    def _require(self, matched: int) -> None:
        if not matched:
            raise SkipRun(
                f"this run's lease of {self._source.title} was taken over by {self._holder()}; nothing more is written "
                "by this one"
            )

    def update_sync_progress(self, position: ReadPosition | None, counts: Counter[str], session: ClientSession) -> None:
        """Move the job to `place` (None: leave it) and add a page's `counts` to it and to its run, as the page is.

        :raises SkipRun: the lease has been taken over, and so the page must not be committed
        """
        self.renew(session)
        fields = (_position_fields(position) if position else {}) | {"updatedAt": self._clock.now()}
        if position and position.window is None:
            fields["failures"] = 0
        fetched, rejected = counts["fetched"], counts["rejected"]
        totals = {f"totals.{name}": count for name, count in counts.items()}
        run = {"totalFetched": fetched, "lastRunFetched": fetched, "lastRunErrors": rejected}
        self._jobs.update_one(self._mine, {"$set": fields, "$inc": run | totals}, session=session)
        self._runs.update_one({"_id": self._token}, {"$inc": dict(counts)}, session=session)

    def mark_sync_complete(self) -> bool:
        """Note that the source has been read up to the run's ceiling; say whether this completed its backfill."""
        now = self._clock.now()
        first = self._jobs.update_one(
            self._mine | {"backfillCompletedAt": None}, {"$set": {"backfillCompletedAt": now}}
        )
        done = {"$set": {"status": SYNCING, "updatedAt": now}}
        self._require(self._jobs.update_one(self._mine, done).matched_count)
        return bool(first.modified_count)

    def mark_sync_error(self, message: str, *, position: ReadPosition | None = None, stuck: bool = False) -> None:
        """Note a failure; the job stays at `place`. `stuck`: the open window itself may be what fails.

        Without a position, what failed was none of the job's own reading, and its status stays too.

        :raises SkipRun: the lease has been taken over
        """
        # A string, as the web app's model has it.
        entry = f"{_iso(self._clock.now())} {self.run_id}: {message[:2000]}"
        changes = {
            "$set": (_position_fields(position) | {"status": ERROR} if position else {})
            | {"updatedAt": self._clock.now()},
            "$inc": {"lastRunErrors": 1, "failures": int(stuck)},
            "$push": {"errorLog": {"$each": [entry], "$slice": -ERRORS_KEPT}},
        }
        self._require(self._jobs.update_one(self._mine, changes).matched_count)

    def note_suspect(self, window: TimeRange, reason: str, session: ClientSession) -> None:
        """Remember a window that had to be closed without a believable end, for the audit and for people."""
        suspect = {"from": window.start, "to": window.end, "reason": reason[:500], "at": self._clock.now()}
        changes = {"$push": {"suspectWindows": {"$each": [suspect], "$slice": -SUSPECTS_KEPT}}}
        self._jobs.update_one(self._mine, changes, session=session)

    def end_run(
        self,
        outcome: str,
        *,
        position: ReadPosition | None = None,
        counts: Mapping[str, int] | None = None,
        **facts: Any,
    ) -> dict[str, Any]:
        """Close the run's record with `outcome` and `facts`, give the lease back, return the record.

        `place` may have a window just opened: kept, or a budget smaller than the look-back would never come past it.
        `counts` are those of no page (requests made in vain); job and record get them together or not at all.
        """
        now, counts = self._clock.now(), counts or {}
        job = {"lease": None, "updatedAt": now}
        if position is not None:
            job |= _position_fields(position)
            facts["watermark"] = position.watermark

        def write(session: ClientSession) -> dict[str, Any] | None:
            totals = {f"totals.{name}": count for name, count in counts.items()}
            held = self._jobs.update_one(self._mine, {"$set": job, "$inc": totals}, session=session).matched_count
            return self._runs.find_one_and_update(
                {"_id": self._token},
                {
                    "$set": {"endedAt": now, "outcome": outcome, **facts},
                    "$inc": dict(counts) if held else {},
                },
                return_document=ReturnDocument.AFTER,
                session=session,
            )

        with self._jobs.database.client.start_session() as session:
            return session.with_transaction(write) or {}


def read_job(db: Database[dict[str, Any]], source: Source) -> SyncJob | None:
    """Return where a source is, without holding it; None before its first run."""
    document = db["syncJobs"].find_one({"source": source.name, "windowSpanSeconds": {"$exists": True}})
    return _from_document(document, source) if document else None


def claim_transition(db: Database[dict[str, Any]], source: Source, run_id: str) -> str | None:
    """Claim the announcement of a source's transition for `run_id`: None if it is this run's, else why not.

    Claimed once: by one run for ever, and by that run again when it is cleared, so that the news cannot be lost.
    """
    jobs = db["syncJobs"]
    unclaimed = {"$in": [None, run_id]}
    claimed = jobs.update_one(
        {"source": source.name, "backfillCompletedAt": {"$ne": None}, "transitionAnnouncedBy": unclaimed},
        {"$set": {"transitionAnnouncedBy": run_id}},
    )
    if claimed.matched_count:
        return None
    job = jobs.find_one({"source": source.name}) or {}
    if job.get("backfillCompletedAt") is None:
        reached = job.get("lastSyncedDate") or job.get("backfillStartDate") or "its start"
        return f"{source.title} is still backfilling: everything up to {reached} is in"
    return (
        f"{source.title} has been syncing since {job['backfillCompletedAt']:%Y-%m-%d %H:%M} UTC; its transition was "
        f"announced by {job['transitionAnnouncedBy']}"
    )


def _lease_end(leases: int = 1) -> dict[str, Any]:
    return {"$add": ["$$NOW", int(LEASE.total_seconds() * 1000) * leases]}


def _iso(moment: datetime) -> str:
    return whole_second(moment).strftime("%Y-%m-%dT%H:%M:%SZ")


def _position_fields(position: ReadPosition) -> dict[str, Any]:
    window, doubt = position.window, position.doubt
    return {
        "cursor": position.cursor,
        "lastSyncedDate": _iso(position.watermark),
        "window": window
        and {
            "from": window.start,
            "to": window.end,
            "pages": window.pages,
            "held": window.held,
            "topNumber": window.top,
        },
        "lastNumber": position.number,
        "doubt": doubt
        and {
            "to": doubt.end,
            "held": doubt.held,
            "found": doubt.found,
            "spanSeconds": doubt.span.total_seconds(),
        },
        "windowSpanSeconds": position.span.total_seconds(),
        "losesReleases": position.lossy,
    }


def _from_document(document: dict[str, Any], source: Source) -> SyncJob:
    refuse_foreign_values(document, source)
    start = parse_timestamp(
        document.get("backfillStartDate") or _iso(source.history_start), "syncJobs.backfillStartDate"
    )
    watermark = document["lastSyncedDate"]
    window = document["window"]
    return SyncJob(
        mode=SYNCING if document.get("backfillCompletedAt") else BACKFILLING,
        position=ReadPosition(
            watermark=parse_timestamp(watermark, "syncJobs.lastSyncedDate") if watermark else start,
            span=timedelta(seconds=document["windowSpanSeconds"]),
            window=window and _window(window),
            cursor=document["cursor"],
            number=document.get("lastNumber"),
            doubt=_doubt(document.get("doubt")),
            lossy=document.get("losesReleases", False),
        ),
        backfill_start=start,
        failures=document["failures"],
    )


def _window(document: dict[str, Any]) -> OpenWindow:
    # A job of an earlier version kept no numbers: its open window proves nothing, and so is read again if long.
    return OpenWindow(
        document["from"], document["to"], document["pages"], document.get("held") or 0, document.get("topNumber")
    )


def _doubt(document: dict[str, Any] | None) -> Doubt | None:
    if document is None:
        return None
    return Doubt(document["to"], document["held"], timedelta(seconds=document["spanSeconds"]), document["found"])
