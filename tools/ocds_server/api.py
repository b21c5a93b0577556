"""Answers the requests of both APIs: a path and a query in, an answer out, no sockets."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from . import contracts_finder, find_a_tender
from .answer import Answer, Paging, Query, Refused
from .catalogue import CONTRACTS_FINDER, FIND_A_TENDER, Catalogue
from .faults import Exchange, Faults
from .jsontext import encode
from .limits import PenaltyLimit, RollingLimit

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUESTS_KEPT = 10_000


@dataclass(frozen=True)
class Record:
    """One request and its answer. `status` is that of the prepared answer, also if a fault then cut it off."""

    when: datetime
    source: str | None
    path: str
    query: str
    status: int
    fault: str | None

    def as_json(self) -> dict[str, Any]:
        """Return the record as a JSON object."""
        return {**vars(self), "when": self.when.isoformat()}


class OcdsApi:
    """Answers both services' requests from a catalogue.

    `cf_zone` is the time zone of a time without zone in a request to Contracts Finder. With `enforce_limits`, which may
    be set at any time, both services refuse requests that come too fast. `requests` holds the last 10,000 requests.
    """

    def __init__(self, catalogue: Catalogue, *, cf_zone: tzinfo = UTC, enforce_limits: bool = False) -> None:
        self.catalogue = catalogue
        self.clock = catalogue.clock
        self.cf_zone = cf_zone
        self.enforce_limits = enforce_limits
        self.limits: Mapping[str, RollingLimit | PenaltyLimit] = {
            FIND_A_TENDER: RollingLimit(),
            CONTRACTS_FINDER: PenaltyLimit(),
        }
        self.faults = Faults()
        self.requests: deque[Record] = deque(maxlen=REQUESTS_KEPT)
        self._lock = threading.Lock()

    def answer(self, path: str, query: str = "", *, host: str = "localhost") -> Answer:
        """Answer `GET path?query`. Safe to use from several threads."""
        params = dict(parse_qsl(query, keep_blank_values=True))
        asked = Query(path, params, host)
        source = source_of(path)
        fault = None
        refusal = self._refusal(source)
        if refusal is not None or source is None:
            answer = refusal or Answer(404, encode({"message": f"Nothing at {path}"}))
        else:
            exchange = Exchange(source, asked, self.catalogue, self._serve)
            fault = self.faults.apply(exchange)
            answer = exchange.answer
        self.requests.append(Record(self.clock.now(), source, path, query, answer.status, fault))
        return answer

    def _refusal(self, source: str | None) -> Answer | None:
        if source is None or not self.enforce_limits:
            return None
        with self._lock:
            return self.limits[source].refuse(self.clock.now())

    def _serve(self, query: Query, paging: Paging) -> Answer:
        try:
            if query.path == contracts_finder.PATH:
                return contracts_finder.search(query, self.catalogue, self.cf_zone, paging)
            if query.path == find_a_tender.PATH:
                return find_a_tender.packages(query, self.catalogue, paging)
            return find_a_tender.single(query, self.catalogue)
        except Refused as refused:
            return Answer(HTTPStatus.BAD_REQUEST, encode({"message": str(refused)}))


def source_of(path: str) -> str | None:
    """Return the source of a path; `None` for a path that gets a 404, as `/Published/OCDS/Search` without `Notices`."""
    if path == contracts_finder.PATH:
        return CONTRACTS_FINDER
    singles = (f"{find_a_tender.PATH}/", f"{find_a_tender.RECORDS_PATH}/")
    return FIND_A_TENDER if path == find_a_tender.PATH or path.startswith(singles) else None
