"""The sync job of a source, and the records of its runs.

`syncJobs` holds one document a source: where it is, in words and as a position. `syncRuns` holds one document a run,
from its beginning to its outcome.
"""

import logging
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from typing import Any

from pymongo import ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.database import Database

from tender_sync.clock import Clock
from tender_sync.run_outcome import Outcome
from tender_sync.sources.base import Source
from tender_sync.storage.lease import Lease
from tender_sync.storage.sync_job_document import (
    BACKFILLING,
    BEFORE_ALL,
    ERROR,
    SYNCING,
    SyncJob,
    iso,
    position_fields,
    sync_job,
)
from tender_sync.windows import ReadPosition, TimeRange

log = logging.getLogger(__name__)

ERRORS_KEPT = 100
SUSPECTS_KEPT = 20
# Contracts created and updated that Airflow has not been told of, and those that the last run has told it of.
_TO_ANNOUNCE = "changesToAnnounce"
_CHANGES = ("created", "updated")


@dataclass(eq=False)
class SyncJobs:
    """The sync job of one `source`, as held by one run of `owner` (see `lease.Lease`).

    `mode` names what a run does that does not bring its source forward (replay, audit …); such a run leaves the job's
    status alone. `announces`: Airflow takes the asset events of this run, when it succeeds. Every method that writes to
    the job raises SkipRun when the lease has been taken over; `note_suspect` and `end_run` leave the job alone then.
    """

    db: Database[dict[str, Any]]
    source: Source
    clock: Clock
    _: KW_ONLY
    owner: str
    run_id: str = ""
    mode: str | None = None
    announces: bool = True

    def __post_init__(self) -> None:
        self._jobs = self.db["syncJobs"]
        self._lease = Lease(self._jobs, self.source, self.owner)
        self._runs = self.db["syncRuns"]
        self._record = {"_id": self._lease.token}

    def get_or_create_sync_job(self, backfill_start: datetime) -> SyncJob:
        """Take the lease of the source's job and return where it is; create the job if there is none.

        A job in error goes back to the status it had. A job of the pipeline's first version, which kept no windows,
        starts again: what it had seen cannot be trusted, and reading it again changes nothing that is right.

        :raises SkipRun: another run holds the lease
        :raises FixSetup: what stands in the job is no position to go on from; nothing is changed
        """
        self._create(backfill_start)
        self._restart_a_first_version_job()
        read_job(self.db, self.source)
        document = self._take_lease()
        self._begin_record(self.mode or document["status"])
        return sync_job(document, self.source)

    def _create(self, backfill_start: datetime) -> None:
        fields = self._beginning() | {
            "backfillStartDate": iso(backfill_start),
            **dict.fromkeys(("totalFetched", "lastRunFetched", "lastRunErrors"), 0),
            **dict.fromkeys(("lastRunAt", "transitionAnnouncedBy", "lease")),
            "errorLog": [],
            "suspectWindows": [],
            **dict.fromkeys(("createdAt", "updatedAt"), self.clock.now()),
        }
        self._jobs.update_one({"source": self.source.name}, {"$setOnInsert": fields}, upsert=True)

    def _restart_a_first_version_job(self) -> None:
        first_version = {"source": self.source.name, "windowSpanSeconds": {"$exists": False}}
        restarted = self._jobs.update_one(first_version, {"$set": self._beginning() | {"errorLog": []}})
        if restarted.modified_count:
            log.warning(
                "%s has a sync job of the first version, which kept no windows: its history is read again",
                self.source.name,
            )

    def _beginning(self) -> dict[str, Any]:
        position = position_fields(ReadPosition(BEFORE_ALL, self.source.windows.first_span))
        return position | {"status": BACKFILLING, "lastSyncedDate": None, "backfillCompletedAt": None, "failures": 0}

    def _take_lease(self) -> dict[str, Any]:
        never_completed = {"$eq": [{"$ifNull": ["$backfillCompletedAt", None]}, None]}
        status: dict[str, Any] = {"$cond": [never_completed, BACKFILLING, SYNCING]}
        fields = {
            "status": "$status" if self.mode else status,
            "lastRunAt": "$$NOW",
            "lastRunFetched": 0,
            "lastRunErrors": 0,
            **{name: {"$ifNull": [f"${name}", []]} for name in ("errorLog", "suspectWindows")},
            "updatedAt": "$$NOW",
        }
        if self.announces:
            fields[_TO_ANNOUNCE] = self._to_announce()
        return self._lease.take(fields)

    def _to_announce(self) -> dict[str, Any]:
        """Return what is to be announced now, as an expression.

        An earlier try of this very run may have ended and died before its success, by which Airflow takes its events:
        what it announced is announced again.
        """
        last, nobody = f"${_TO_ANNOUNCE}.lastAnnounced", {"by": None}
        is_mine = {"$eq": [f"{last}.by", {"$literal": self.run_id}]}
        counts = {
            name: {"$add": [_or_0(f"${_TO_ANNOUNCE}.{name}"), {"$cond": [is_mine, _or_0(f"{last}.{name}"), 0]}]}
            for name in _CHANGES
        }
        return counts | {"lastAnnounced": {"$cond": [is_mine, nobody, {"$ifNull": [last, nobody]}]}}

    def _begin_record(self, mode: str) -> None:
        """Begin this run's record; a run that was killed could not end its own, so that is done here."""
        now, mine = self.clock.now(), {"source": self.source.name}
        self._runs.update_many(mine | {"endedAt": None}, {"$set": {"endedAt": now, "outcome": Outcome.DIED}})
        facts = {"owner": self.owner, "runId": self.run_id, "mode": mode}
        self._runs.insert_one({**self._record, **mine, "startedAt": now, "endedAt": None, "outcome": None, **facts})

    def last_try(self) -> dict[str, Any] | None:
        """Return the record of the last try of this same Airflow run that has ended; None without one."""
        ended = {"source": self.source.name, "runId": self.run_id, "endedAt": {"$ne": None}}
        return self._runs.find_one(ended, sort=[("startedAt", -1)])

    def renew(self) -> None:
        """Keep the lease for another while."""
        self._lease.renew()

    def reset(self, start: datetime) -> None:
        """Forget where the source is: its history is read again from `start`. What was counted stays counted."""
        fresh: dict[str, Any] = {"backfillStartDate": iso(start), "transitionAnnouncedBy": None, "suspectWindows": []}
        self._set(self._beginning() | fresh | {"resetAt": self.clock.now()})

    def update_sync_progress(
        self, position: ReadPosition | None, counts: Mapping[str, int], session: ClientSession
    ) -> None:
        """Move the job to `position` (None: leave it), and add a page's `counts` to it and to its run."""
        self._lease.renew(session)
        fields = (position_fields(position) if position else {}) | {"updatedAt": self.clock.now()}
        if position and position.open_window is None:
            fields["failures"] = 0
        fetched, rejected = counts.get("fetched", 0), counts.get("rejected", 0)
        added = {"totalFetched": fetched, "lastRunFetched": fetched, "lastRunErrors": rejected, **_totals(counts)}
        changes = {f"{_TO_ANNOUNCE}.{name}": counts[name] for name in _CHANGES if counts.get(name)}
        self._jobs.update_one(self._lease.held, {"$set": fields, "$inc": added | changes}, session=session)
        self._runs.update_one(self._record, {"$inc": dict(counts)}, session=session)

    def mark_sync_complete(self) -> bool:
        """Note that the source has been read up to the run's ceiling; say whether this completed its backfill."""
        unfinished = self._lease.held | {"backfillCompletedAt": None}
        first = self._jobs.update_one(unfinished, {"$set": {"backfillCompletedAt": self.clock.now()}})
        self._set({"status": SYNCING})
        return bool(first.modified_count)

    def mark_sync_error(self, message: str, *, position: ReadPosition | None = None, stuck: bool = False) -> None:
        """Note a failure; the job stays at `position`. `stuck`: the open window itself may be what fails.

        Without a position, it was not the job's own reading that failed, and its status stays too.
        """
        # A text, as the web app's model has it.
        entry = f"{iso(self.clock.now())} {self.run_id}: {message[:2000]}"
        fields = (position_fields(position) | {"status": ERROR}) if position else {}
        changes = {
            "$set": fields | {"updatedAt": self.clock.now()},
            "$inc": {"lastRunErrors": 1, "failures": int(stuck)},
            "$push": {"errorLog": {"$each": [entry], "$slice": -ERRORS_KEPT}},
        }
        self._lease.require(self._jobs.update_one(self._lease.held, changes).matched_count)

    def note_suspect(self, window: TimeRange, reason: str, session: ClientSession) -> None:
        """Remember a window that had to be closed without a believable end, for the audit and for people."""
        suspect = {"from": window.start, "to": window.end, "reason": reason[:500], "at": self.clock.now()}
        changes = {"$push": {"suspectWindows": {"$each": [suspect], "$slice": -SUSPECTS_KEPT}}}
        self._jobs.update_one(self._lease.held, changes, session=session)

    def end_run(
        self,
        outcome: Outcome,
        reason: str = "",
        *,
        position: ReadPosition | None = None,
        counts: Mapping[str, int] | None = None,
        **facts: Any,
    ) -> dict[str, Any]:
        """End the run's record with `outcome`, `reason` and `facts`, give the lease back, and return the record.

        `position` may have a window that was just opened: it is kept, or a budget smaller than the look-back would
        never get past it. `counts` are those of no page (requests that brought nothing); job and record get them
        together or not at all. `changes` in the record of a run that succeeds are what Airflow is now to be told of.
        """
        now, counts = self.clock.now(), counts or {}
        fields: dict[str, Any] = {"lease": None, "updatedAt": now}
        facts |= {"outcome": outcome, **({"reason": reason} if reason else {})}
        if position is not None:
            fields |= position_fields(position)
            facts["watermark"] = position.watermark

        def write(session: ClientSession) -> dict[str, Any] | None:
            job = self._jobs.find_one(self._lease.held, {_TO_ANNOUNCE: 1}, session=session)
            if job and self.announces and outcome.task_succeeds:
                facts["changes"] = {name: job.get(_TO_ANNOUNCE, {}).get(name, 0) for name in _CHANGES}
                announced = {"by": self.run_id, **facts["changes"]}
                fields[_TO_ANNOUNCE] = {**dict.fromkeys(_CHANGES, 0), "lastAnnounced": announced}
            self._jobs.update_one(self._lease.held, {"$set": fields, "$inc": _totals(counts)}, session=session)
            # No job: the lease has been taken over. This run's record is ended, and nothing else.
            ended = {"$set": {"endedAt": now, **facts}, "$inc": dict(counts) if job else {}}
            record: dict[str, Any] | None = self._runs.find_one_and_update(
                self._record, ended, return_document=ReturnDocument.AFTER, session=session
            )
            return record

        with self.db.client.start_session() as session:
            return session.with_transaction(write) or {}

    def _set(self, fields: Mapping[str, Any]) -> None:
        changes = {"$set": {**fields, "updatedAt": self.clock.now()}}
        self._lease.require(self._jobs.update_one(self._lease.held, changes).matched_count)


def read_job(db: Database[dict[str, Any]], source: Source) -> SyncJob | None:
    """Return where a source is, without holding it; None before its first run.

    :raises FixSetup: what stands in the job is no position to go on from
    """
    document = db["syncJobs"].find_one({"source": source.name, "windowSpanSeconds": {"$exists": True}})
    return sync_job(document, source) if document else None


def read_document(db: Database[dict[str, Any]], source: Source) -> dict[str, Any]:
    """Return the job of a source as stored; empty before its first run."""
    return db["syncJobs"].find_one({"source": source.name}) or {}


def note_freshness(db: Database[dict[str, Any]], source: Source, state: Mapping[str, Any]) -> None:
    """Keep what a freshness check saw, for the next one."""
    db["syncJobs"].update_one({"source": source.name}, {"$set": {"freshness": state}})


def claim_transition(db: Database[dict[str, Any]], source: Source, run_id: str) -> str | None:
    """Claim the announcement of a source's transition for `run_id`: None if it is this run's, else why not.

    It is claimed once: by one run for ever, and by that run again when it is cleared, so that the news is not lost.
    """
    claimed = db["syncJobs"].update_one(
        {"source": source.name, "backfillCompletedAt": {"$ne": None}, "transitionAnnouncedBy": {"$in": [None, run_id]}},
        {"$set": {"transitionAnnouncedBy": run_id}},
    )
    if claimed.matched_count:
        return None
    job = read_document(db, source)
    if job.get("backfillCompletedAt") is None:
        reached = job.get("lastSyncedDate") or job.get("backfillStartDate") or "its start"
        return f"{source.title} is still backfilling: everything up to {reached} is in"
    return (
        f"{source.title} has been syncing since {job['backfillCompletedAt']:%Y-%m-%d %H:%M} UTC; its transition was "
        f"announced by {job['transitionAnnouncedBy']}"
    )


def _totals(counts: Mapping[str, int]) -> dict[str, int]:
    return {f"totals.{name}": count for name, count in counts.items()}


def _or_0(field: str) -> dict[str, Any]:
    return {"$ifNull": [field, 0]}
