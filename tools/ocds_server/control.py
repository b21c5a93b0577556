"""The control API under `/_control/`, for a server in a process of its own. JSON in, JSON out."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from .answer import Answer
from .catalogue import CONTRACTS_FINDER, FIND_A_TENDER, SOURCES
from .generate import more
from .jsontext import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .api import OcdsApi

PREFIX = "/_control/"


def answer(api: OcdsApi, method: str, path: str, query: str, body: bytes) -> Answer:
    """Carry out one control request; a wrong one gets a 400 that says why."""
    operation = _OPERATIONS.get((method, path.removeprefix(PREFIX)))
    if operation is None:
        known = ", ".join(f"{verb} {PREFIX}{name}" for verb, name in _OPERATIONS)
        return Answer(HTTPStatus.NOT_FOUND, encode({"message": f"there is only: {known}"}))
    try:
        asked = {**dict(parse_qsl(query)), **(json.loads(body) if body else {})}
        return Answer(HTTPStatus.OK, encode(operation(api, asked)))
    except (ValueError, TypeError, KeyError) as error:
        return Answer(HTTPStatus.BAD_REQUEST, encode({"message": f"{type(error).__name__}: {error}"}))


def _source(asked: Mapping[str, Any]) -> str:
    if asked["source"] not in SOURCES:
        raise ValueError(f"source must be {FIND_A_TENDER} or {CONTRACTS_FINDER}, not {asked['source']!r}")
    return str(asked["source"])


def _time(asked: Mapping[str, Any], name: str) -> datetime | None:
    return datetime.fromisoformat(asked[name].replace(" ", "+")) if name in asked else None


def _existing(api: OcdsApi, asked: Mapping[str, Any]) -> Any:
    """Return release ids with their dates, or with `full=1` the whole releases; `from` and `to` are aware times."""
    found = api.catalogue.existing(_source(asked), _time(asked, "from"), _time(asked, "to"))
    if asked.get("full") == "1":
        return found
    return {notice_id: release.get("date") for notice_id, release in found.items()}


def _requests(api: OcdsApi, _asked: Mapping[str, Any]) -> Any:
    return [record.as_json() for record in list(api.requests)]


def _publish(api: OcdsApi, asked: Mapping[str, Any]) -> Any:
    """Publish the `releases` given, or `count` generated ones dated now."""
    source = _source(asked)
    releases = asked.get("releases")
    if releases is None:
        releases = more(api.catalogue, source, int(asked.get("count", 1)))
    published = [api.catalogue.publish(source, release) for release in releases]
    return {"published": [r.get("id") if isinstance(r, dict) else r for r in published]}


def _change(api: OcdsApi, asked: Mapping[str, Any]) -> Any:
    """Publish a new version of `id`, or of the `count` newest notices."""
    source, in_place = _source(asked), bool(asked.get("in_place", False))
    named = [entry.notice_id for entry in api.catalogue.listing(source) if entry.notice_id is not None]
    wanted = [asked["id"]] if "id" in asked else named[: int(asked.get("count", 1))]
    return {"changed": [api.catalogue.change(source, name, in_place=in_place)["id"] for name in wanted]}


def _clock(api: OcdsApi, asked: Mapping[str, Any]) -> Any:
    """Move the clock: `set` to an aware time, or `advance` by seconds."""
    when = _time(asked, "set")
    if when is not None:
        api.clock.set(when)
    api.clock.advance(timedelta(seconds=float(asked.get("advance", 0))))
    return {"now": api.clock.now().isoformat()}


def _add_fault(api: OcdsApi, asked: Mapping[str, Any]) -> Any:
    return {"added": api.faults.add(**asked).name}


def _list_faults(api: OcdsApi, _asked: Mapping[str, Any]) -> Any:
    return [{**asdict(rule), "memory": len(rule.memory)} for rule in api.faults.rules]


def _clear_faults(api: OcdsApi, _asked: Mapping[str, Any]) -> Any:
    api.faults.clear()
    return {}


def _status(api: OcdsApi, _asked: Mapping[str, Any]) -> Any:
    return {"now": api.clock.now().isoformat(), "releases": dict(api.catalogue.counts())}


_OPERATIONS: Mapping[tuple[str, str], Callable[[OcdsApi, Mapping[str, Any]], Any]] = {
    ("GET", "status"): _status,
    ("GET", "existing"): _existing,
    ("GET", "requests"): _requests,
    ("POST", "publish"): _publish,
    ("POST", "change"): _change,
    ("POST", "clock"): _clock,
    ("GET", "faults"): _list_faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
}
