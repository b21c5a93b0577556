"""Contracts Finder's search API, as far as it is known: pure functions from a query to an answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .answer import (
    AS_ASKED,
    Answer,
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
from .catalogue import CONTRACTS_FINDER, Catalogue

if TYPE_CHECKING:
    from datetime import tzinfo

PATH = "/Published/Notices/OCDS/Search"
PARAMETERS = ("publishedFrom", "publishedTo", "stages", "limit", "cursor")
STAGES = {
    "planning": ("planning", "planningUpdate"),
    "tender": ("tender", "tenderAmendment", "tenderUpdate", "tenderCancellation"),
    "award": ("award", "awardUpdate", "awardCancellation"),
    "implementation": ("contract", "contractUpdate", "implementation", "contractTermination"),
}

_CCS = "https://raw.githubusercontent.com/Crown-Commercial-Service"
_EXTENSIONS = "https://raw.githubusercontent.com/open-contracting-extensions"
# As recorded on 2025-01-23.
_ENVELOPE: dict[str, Any] = {
    "version": "1.1",
    "extensions": [
        "https://standard.open-contracting.org/profiles/eu/master/en/extension.json",
        "https://raw.githubusercontent.com/portaledcahn/ocds_tenderDatePublished_extension/master/extension.json",
        f"{_EXTENSIONS}/ocds_budget_breakdown_extension/master/extension.json",
        f"{_CCS}/ocds_awards_datePublished_extension/main/extension.json",
        f"{_CCS}/ocds_partyDetails_vcse_extension/main/extension.json",
        f"{_CCS}/ocds_tender_suitability_extension/main/extension.json",
        f"{_EXTENSIONS}/ocds_pagination_extension/master/extension.json",
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


def read_time(name: str, text: str, zone: tzinfo) -> datetime:
    """Read an ISO 8601 time (documented); returns UTC, raises Refused.

    It is not known which zone the live service takes for a time without one: here it is `zone`.
    """
    try:
        when = datetime.fromisoformat(text.replace(" ", "+"))
        return (when.replace(tzinfo=zone) if when.tzinfo is None else when).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused(f"{name} must be an ISO 8601 time, not {text!r}") from None


def search(query: Query, catalogue: Catalogue, zone: tzinfo, paging: Paging = AS_ASKED) -> Answer:
    """Answer a search; raises Refused. Only the latest release of each notice is shown."""
    params = dict(query.params)
    for name in params:
        if name not in PARAMETERS:
            raise Refused(f"{name} is not a parameter. The parameters are: {', '.join(PARAMETERS)}")
    limit = read_limit(params)
    names = [name for name in ("publishedFrom", "publishedTo") if name in params]
    times = {name: read_time(name, params[name], zone) for name in names}
    window: dict[str, object] = {name: params[name] for name in names}
    cursor = params.pop("cursor", None)
    below = None if cursor is None else read_cursor(cursor, {**window, "limit": limit})
    listing = catalogue.listing(CONTRACTS_FINDER, times.get("publishedFrom"), times.get("publishedTo"))
    if "stages" in params:
        wanted = _tags(params["stages"])
        listing = [entry for entry in listing if wanted.intersection(_tags_of(entry.release))]
    page = cut(listing, below, limit, paging)
    next_link = None
    if page.after is not None:
        kept = {"stages": params["stages"]} if "stages" in params else {}
        following = write_cursor({**window, "limit": limit, "nextCursor": page.after})
        next_link = link(query.host, PATH, {**window, **kept, "limit": limit, "cursor": following})
    uri = link(query.host, PATH, params)
    envelope = {"uri": uri, **_ENVELOPE, "publishedDate": published_date(page)}
    return Answer(200, package(envelope, page, next_link))


def _tags(stages: str) -> set[str]:
    unknown = [stage for stage in stages.split(",") if stage not in STAGES]
    if unknown:
        raise Refused(f"stages must be some of {', '.join(STAGES)}, not {', '.join(unknown)}")
    return {tag for stage in stages.split(",") for tag in STAGES[stage]}


def _tags_of(release: Any) -> list[str]:
    tags = release.get("tag") if isinstance(release, dict) else None
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
