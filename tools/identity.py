"""How well buyers stand for organisations on real notices: `python -m tools.identity FOLDER` (see docs/BUYERS.md).

Before: a buyer for each published id (the first version's rule, a name where there is no id). After: `buyers.org_id`.
An organisation is taken to be a name, spellings apart; so what the names cannot tell is listed for reading by eye.
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
        "before": [(contract, contract["buyerOrg"] or _name(contract)) for contract in contracts],
        "after": [(contract, org_id(contract, published[_name(contract)])) for contract in contracts],
    }
    print(f"{len(contracts)} notices, {len(published)} names, {len({c['buyerOrg'] for c in contracts})} published ids")
    for rule, owned in rules.items():
        split = _several((_name(contract), owner) for contract, owner in owned)
        merged = _several((owner, _name(contract)) for contract, owner in owned)
        apart = [names for owner, names in merged.items() if not register_of(str(owner))]
        print(f"{rule}: {len({owner for _, owner in owned})} buyers")
        print(f"  {len(split)} organisations split among several buyers")
        print(f"  {len(merged)} buyers with several names, {len(apart)} of them by the name rule; by eye:")
        for owner, names in sorted(merged.items(), key=str):
            print(f"    {owner}: {', '.join(sorted(map(str, names)))}")
    ids = {name: {register_of(each) for each in found if register_of(each)} for name, found in published.items()}
    several = {name: found for name, found in ids.items() if len(found) > 1}
    print(f"{len(several)} names with ids of several registers; by eye:")
    for name, registers in sorted(several.items(), key=str):
        print(f"    {name}: {', '.join(sorted(map(str, registers)))}")


def mapped(folder: Path) -> Iterator[MappedContract]:
    """Map the releases in a folder; what cannot be mapped is passed over."""
    for publication in load(folder):
        try:
            yield map_ocds_to_contract(publication.release, publication.source)
        except RejectedRelease:
            continue


def _name(contract: Mapping[str, Any]) -> str | None:
    return name_key(contract["buyerName"])


def _several(pairs: Iterable[tuple[str | None, str | None]]) -> dict[str | None, set[str | None]]:
    found: defaultdict[str | None, set[str | None]] = defaultdict(set)
    for key, value in pairs:
        found[key].add(value)
    return {key: values for key, values in found.items() if len(values) > 1}


if __name__ == "__main__":
    main()
