"""The lease on a sync job: one writer a source. Every write of a run names its token."""

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pymongo import ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from tender_sync.errors import SkipRun
from tender_sync.sources.base import Source

# Long enough for the slowest page (a body may take 180 s), short enough that a crash delays others little.
LEASE = timedelta(minutes=5)


class Lease:
    """The lease of `source`'s job in `jobs`, for one run of `owner`.

    `owner` is the task's identity: its retry takes its own lease over at once. Each run has a `token`, and writes only
    to a job whose lease has it (`held`). So a process that lost its lease (a zombie) cannot write any more. MongoDB's
    own clock decides what has expired, so that hosts whose clocks differ agree.
    """

    def __init__(self, jobs: Collection[dict[str, Any]], source: Source, owner: str) -> None:
        self._jobs = jobs
        self._source = source
        self._owner = owner
        self.token = uuid.uuid4().hex

    @property
    def held(self) -> dict[str, str]:
        """The filter that finds the job only while this run holds its lease."""
        return {"source": self._source.name, "lease.token": self.token}

    def take(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Take the lease, set `fields` (expressions) and return the job; raise SkipRun if another run holds it."""
        free = [
            {"lease": None},
            {"lease.owner": self._owner},
            {"$expr": {"$lte": ["$lease.expiresAt", "$$NOW"]}},
            # Further ahead than a lease can end: the clock has been set back since, or was another primary's.
            {"$expr": {"$gt": ["$lease.expiresAt", _end(2)]}},
        ]
        lease = {"owner": {"$literal": self._owner}, "token": self.token, "takenAt": "$$NOW", "expiresAt": _end()}
        taken: dict[str, Any] | None = self._jobs.find_one_and_update(
            {"source": self._source.name, "$or": free},
            [{"$set": {**fields, "lease": lease}}],
            return_document=ReturnDocument.AFTER,
        )
        if taken is None:
            raise SkipRun(f"{self._source.title} is already being synced by {self._holder()}; this run leaves it alone")
        return taken

    def renew(self, session: ClientSession | None = None) -> None:
        """Keep the lease for another while; raise SkipRun if it has been taken over."""
        update = [{"$set": {"lease.expiresAt": _end()}}]
        self.require(self._jobs.update_one(self.held, update, session=session).matched_count)

    def require(self, matched: int) -> None:
        """Raise SkipRun if a write to the held job did not match it: the lease has been taken over."""
        if not matched:
            raise SkipRun(
                f"this run's lease of {self._source.title} was taken over by {self._holder()}; it writes nothing more"
            )

    def _holder(self) -> str:
        lease = (self._jobs.find_one({"source": self._source.name}, {"lease": 1}) or {}).get("lease")
        if not lease:
            return "nobody any more"
        return f"{lease['owner']}, whose lease runs until {lease['expiresAt']:%Y-%m-%d %H:%M:%S} UTC"


def _end(leases: int = 1) -> dict[str, Any]:
    return {"$add": ["$$NOW", int(LEASE.total_seconds() * 1000) * leases]}
