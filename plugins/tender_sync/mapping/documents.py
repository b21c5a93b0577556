"""The documents of a notice: the notice itself, its attachments, and what it links to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict

from tender_sync.mapping.dates import parse_date
from tender_sync.mapping.json_access import identifier, line, text
from tender_sync.mapping.links import web_address
from tender_sync.mapping.release import Release


class MappedDocument(TypedDict):
    """One document. `url` is an address that a browser opens, or None: 102 of 870 published documents have none."""

    id: str | None
    documentType: str | None
    title: str | None
    description: str | None
    url: str | None
    datePublished: datetime | None
    format: str | None


def documents_of(release: Release) -> list[MappedDocument]:
    """Return the documents in the release's order, each once: awards repeat the notice's own, one notice 62 times."""
    mapped = map(_map, release.documents)
    return list({tuple(each.values()): each for each in mapped if any(each.values())}.values())


def _map(document: Mapping[str, Any]) -> MappedDocument:
    return MappedDocument(
        id=identifier(document.get("id")),
        documentType=text(document.get("documentType")),
        title=line(document.get("title")),
        description=text(document.get("description")) or text(document.get("accessDetails")),
        url=web_address((text(document.get("url")) or "").replace(" ", "%20")),  # some names of files have blanks
        datePublished=parse_date(document.get("datePublished")),
        format=text(document.get("format")),
    )
