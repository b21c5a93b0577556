"""Prints which real notices supersede which: `PYTHONPATH=plugins python -m tools.lineage FOLDER` (docs/LINEAGE.md).

For each source: how many notices a list of live tenders shows with and without `isLatest`, then every procurement of
several notices.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from tender_sync.identity.lineage import lineage
from tender_sync.mapping.json_access import words
from tools.identity import mapped

if TYPE_CHECKING:
    from tender_sync.mapping.contract import MappedContract


def main() -> None:
    """Print the figures of both sources."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path, help="releases as JSON files, at any depth")
    by_source: defaultdict[str, list[MappedContract]] = defaultdict(list)
    for contract in mapped(parser.parse_args().folder):
        by_source[contract["source"]].append(contract)
    for source, contracts in by_source.items():
        standings = lineage(contracts)
        latest = [each for each in contracts if standings[each["noticeId"]]["isLatest"]]
        print(f"{source}: {len(contracts)} notices, {len(contracts) - len(latest)} superseded")
        print(f"  live list by status alone: {_open(contracts)}; with isLatest: {_open(latest)}")
        families: defaultdict[str | None, list[MappedContract]] = defaultdict(list)
        for contract in sorted(contracts, key=lambda each: (str(each["publishedDate"]), each["noticeId"])):
            families[contract["ocid"]].append(contract)
        for ocid, family in families.items():
            if len(family) > 1:
                print(f"  {ocid}: {family[0]['title'][:60]}")
            for each in family if len(family) > 1 else ():
                kind = f"{each['noticeType'] or each['regime'] or ''} {'+'.join(sorted(words(each['rawData'], 'tag')))}"
                standing = standings[each["noticeId"]]
                moved = standing["deadlineDate"] if standing["deadlineDate"] != each["statedDeadlineDate"] else None
                shown = f"{standing['supersededBy'] or 'shown'}{f', until {moved}' if moved else ''}"
                print(f"    {each['noticeId']} {kind.strip()} {each['status']} → {shown}")


def _open(contracts: list[MappedContract]) -> str:
    times = Counter(each["ocid"] for each in contracts if each["status"] == "OPEN")
    return f"{times.total()} notices, {sum(n > 1 for n in times.values())} procurements more than once"


if __name__ == "__main__":
    main()
