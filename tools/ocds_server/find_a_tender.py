"""Find a Tender's release package API, as far as it is known: pure functions from a query to an answer.

Facts marked [P] come from probes and a 30-day recording of the live service made in August 2026.
"""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from .answer import (
    AS_ASKED,
    JSON,
    Answer,
    Page,
    Paging,
    Query,
    Refused,
    cut,
    link,
    package,
    published_date,
    read_cursor,
    read_limit,
    write_cursor,
)
from .catalogue import FIND_A_TENDER, Catalogue
from .jsontext import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .catalogue import Entry

PATH = "/api/1.0/ocdsReleasePackages"
RECORDS_PATH = "/api/1.0/ocdsRecordPackages"
PARAMETERS = ("stages", "limit", "cursor", "updatedFrom", "updatedTo")
LONDON = ZoneInfo("Europe/London")

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)Z?", re.ASCII)
_EXTENSIONS = "https://raw.githubusercontent.com/open-contracting-extensions"
# As recorded on 2026-08-10 [P].
_ENVELOPE: dict[str, Any] = {
    "version": "1.1",
    "extensions": [
        "https://standard.open-contracting.org/profiles/eu/latest/en/extension.json",
        f"{_EXTENSIONS}/ocds_amendment_rationale_classifications_extension/master/extension.json",
        f"{_EXTENSIONS}/ocds_budget_breakdown_extension/master/extension.json",
        f"{_EXTENSIONS}/ocds_contract_completion_extension/master/extension.json",
        f"{_EXTENSIONS}/ocds_documentation_extension/master/extension.json",
        f"{_EXTENSIONS}/ocds_pagination_extension/master/extension.json",
        f"{_EXTENSIONS}/ocds_suitability_extension/master/extension.json",
        "https://raw.githubusercontent.com/portaledcahn/ocds_Links_extension/main/extension.json",
        "https://raw.githubusercontent.com/cabinetoffice/ocds_uk_extension/main/extension.json",
        f"{_EXTENSIONS}/ocds_performance_failures_extension/master/extension.json",
    ],
    "publishedDate": "",
    "publisher": {
        "name": "Cabinet Office",
        "scheme": "GB-GOR",
        "uid": "D2",
        "uri": "https://www.gov.uk/government/organisations/cabinet-office",
    },
    "license": "http://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/",
    "publicationPolicy": "https://www.gov.uk/government/publications/open-contracting",
}


def read_time(name: str, text: str) -> datetime:
    """Read `YYYY-MM-DDTHH:MM:SS` as London local time; returns UTC, raises Refused.

    A trailing `Z` is accepted and ignored [P]. What the live service does with names around a clock change is not
    known. Here a name that occurs twice in autumn is its first occurrence, and a name skipped in spring is read as if
    the clock had not yet changed.
    """
    matched = _TIME.fullmatch(text)
    try:
        local = datetime.fromisoformat(matched[1] if matched else "")
    except ValueError:
        raise Refused(f"{name} must be given as YYYY-MM-DDTHH:MM:SS, not {text!r}") from None
    return local.replace(tzinfo=LONDON, fold=0).astimezone(UTC)


def packages(query: Query, catalogue: Catalogue, paging: Paging = AS_ASKED) -> Answer:
    """Answer a request for release packages; raises Refused.

    `uri` repeats the query without its cursor, and gains `updatedTo` where that was absent, as recorded.
    """
    params = dict(query.params)
    for name in params:
        if name not in PARAMETERS:
            raise Refused(f"{name} is not a parameter. The parameters are: {', '.join(PARAMETERS)}")
    limit = read_limit(params)
    start = read_time("updatedFrom", params["updatedFrom"]) if "updatedFrom" in params else None
    end = read_time("updatedTo", params["updatedTo"]) if "updatedTo" in params else None
    if end is None:
        params["updatedTo"] = f"{catalogue.clock.now().astimezone(LONDON):%Y-%m-%dT%H:%M:%S}"
    window: dict[str, object] = {name: params[name] for name in ("updatedFrom", "updatedTo") if name in params}
    cursor = params.pop("cursor", None)
    below = None if cursor is None else read_cursor(cursor, window)
    listing = catalogue.listing(FIND_A_TENDER, start, end)
    if "stages" in params:
        listing = _only_stage(listing, params["stages"])
    page = cut(listing, below, limit, paging)
    next_link = None
    if page.after is not None:
        kept = {"stages": params["stages"]} if "stages" in params else {}
        following = write_cursor({**window, "nextCursor": page.after})
        next_link = link(query.host, PATH, {**kept, **window, "limit": limit, "cursor": following})
    return _answer(link(query.host, query.path, params), page, next_link)


def single(query: Query, catalogue: Catalogue) -> Answer:
    """Answer a request for one notice, by its id or its ocid, or for the record of one ocid."""
    name = query.path.rsplit("/", 1)[1]
    found = catalogue.find(FIND_A_TENDER, name)
    uri = f"http://{query.host}{query.path}"
    if not found:
        return Answer(404, encode({"message": f"No notice {name}"}))
    if query.path.startswith(PATH):
        return _answer(uri, Page(found, None), None)
    releases = [entry.release for entry in found]
    envelope = {**_ENVELOPE, "uri": uri, "publishedDate": published_date(Page(found, None))}
    return Answer(200, encode({**envelope, "records": [{"ocid": name, "releases": releases}]}))


def _only_stage(listing: Sequence[Entry], stages: str) -> list[Entry]:
    """Do what `stages` does [P]: only notices under the old rules, no update or end of any kind.

    Several stages, separated by commas, find nothing (recorded).
    """
    if "," in stages:
        return []
    return [entry for entry in listing if _has_stage(entry.release, stages)]


def _has_stage(release: Any, stage: str) -> bool:
    try:
        old_rules = release["tender"]["legalBasis"]["scheme"] == "CELEX"
        return old_rules and stage in release["tag"]
    except (TypeError, KeyError):
        return False


def _answer(uri: str, page: Page, next_link: str | None) -> Answer:
    envelope = {"uri": uri, **_ENVELOPE, "publishedDate": published_date(page)}
    cookie = ("Set-Cookie", f"FT_SESSION={uuid.uuid4().hex}; path=/; secure; HttpOnly")
    return Answer(200, package(envelope, page, next_link), (JSON, cookie))
