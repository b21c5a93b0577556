"""Prints how well buyers match organisations on real notices: `python -m tools.identity FOLDER` (docs/BUYERS.md).

Before: a buyer for each published id, or name where there is no id (the first version's rule). After: `org_id`.
A name, spellings aside, is taken for an organisation. What names cannot tell is listed, to be read by eye.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tender_sync.errors import RejectedRelease
from tender_sync.identity.buyer_keys import name_key, org_id
from tender_sync.mapping.contract import map_ocds_to_contract
from tender_sync.mapping.parties import register_of
from tools.ocds_server.load import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tender_sync.mapping.contract import MappedContract


def main() -> None:
    """Print the figures, then every case behind them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path, help="releases as JSON files, at any depth")
    contracts = list(mapped(parser.parse_args().folder))
    published: defaultdict[str | None, set[str | None]] = defaultdict(set)
    for contract in contracts:
        published[_name(contract)].add(contract["buyerOrg"])
    rules = {
        "before": [(each["buyerOrg"] or _name(each), _name(each)) for each in contracts],
        "after": [(org_id(each, published[_name(each)]), _name(each)) for each in contracts],
    }
    print(f"{len(contracts)} notices, {len(published)} names, {len({c['buyerOrg'] for c in contracts})} published ids")
    for rule, buyers in rules.items():
        split = _several((name, buyer) for buyer, name in buyers)
        merged = _several(buyers)
        by_name = [buyer for buyer in merged if not register_of(str(buyer))]
        print(f"{rule}: {len({buyer for buyer, _ in buyers})} buyers")
        print(f"  {len(split)} organisations split among several buyers")
        print(f"  {len(merged)} buyers with several names, {len(by_name)} of them by the name rule; by eye:")
        _print_each(merged)
    ids = {name: {register_of(each) for each in found if register_of(each)} for name, found in published.items()}
    several = {name: found for name, found in ids.items() if len(found) > 1}
    print(f"{len(several)} names with ids of several registers; by eye:")
    _print_each(several)


def mapped(folder: Path) -> Iterator[MappedContract]:
    """Map the releases in a folder; leave out those that cannot be mapped."""
    for publication in load(folder):
        try:
            yield map_ocds_to_contract(publication.release, publication.source)
        except RejectedRelease:
            continue


def _name(contract: Mapping[str, Any]) -> str | None:
    return name_key(contract["buyerName"])


def _print_each(cases: Mapping[str | None, Iterable[str | None]]) -> None:
    for key, values in sorted(cases.items(), key=str):
        print(f"    {key}: {', '.join(sorted(map(str, values)))}")


def _several(pairs: Iterable[tuple[str | None, str | None]]) -> dict[str | None, set[str | None]]:
    found: defaultdict[str | None, set[str | None]] = defaultdict(set)
    for key, value in pairs:
        found[key].add(value)
    return {key: values for key, values in found.items() if len(values) > 1}


if __name__ == "__main__":
    main()
