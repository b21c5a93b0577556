"""Reads real notices from a folder of JSON files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .catalogue import CONTRACTS_FINDER, FIND_A_TENDER, Publication, parse_date

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OCID_PREFIXES = {"ocds-h6vhtk-": FIND_A_TENDER, "ocds-b5fd17-": CONTRACTS_FINDER}
"""The two publishers' registered OCID prefixes."""


def load(folder: Path) -> Iterator[Publication]:
    """Read every release in the `*.json` files of a folder, at any depth.

    A file may hold a release, a release package or a list of either. Other files and releases of other publishers are
    left out. Of a release found several times, the one with the newest date is kept. Releases are published at their
    own dates. Raises NotADirectoryError.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder of notices")
    kept: dict[tuple[str, str], Any] = {}
    for path in sorted(folder.rglob("*.json")):
        try:
            value = json.loads(path.read_bytes())
        except ValueError:
            continue
        for release in _releases(value):
            source = OCID_PREFIXES.get(release["ocid"][:12])
            key = (str(source), release["id"])
            if source is not None and (key not in kept or _newer(release, kept[key])):
                kept[key] = release
    for (source, _), release in kept.items():
        yield Publication(source, release)


def _releases(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for item in value:
            yield from _releases(item)
    elif isinstance(value, dict) and isinstance(value.get("releases"), list):
        yield from _releases(value["releases"])
    elif isinstance(value, dict) and isinstance(value.get("ocid"), str) and isinstance(value.get("id"), str):
        yield value


def _newer(release: dict[str, Any], other: dict[str, Any]) -> bool:
    when, than = parse_date(release.get("date")), parse_date(other.get("date"))
    return when is not None and (than is None or when > than)
