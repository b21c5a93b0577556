"""Gives each procurement of a notice that announces several a `noticeId` of its own.

Find a Tender's API documentation says: "Release IDs are unique within a procurement process (ocid)". A notice lists
"the OCIDs of the procurements the notice is linked to". The mapping of forms that the service follows makes one release
of each object of a prior information notice. All of them have the notice's number as their id.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from tender_sync.mapping.contract import MappedContract


def sibling_id(contract: Mapping[str, Any]) -> str:
    """Return the `noticeId` of a contract when another procurement's contract has the notice's own id."""
    return f"{contract['noticeId']} {contract['ocid']}"


def separate_procurements(
    contracts: Sequence[MappedContract], stored: Mapping[str, Mapping[str, Any]]
) -> Iterable[MappedContract]:
    """Give every contract the `noticeId` under which it is stored.

    One procurement of each notice keeps the notice's id; the others get their `sibling_id`.

    :param stored: the stored contracts with these ids and sibling ids, by `noticeId`
    """
    # In all its versions the stored procurement keeps the id or, where none is stored, the first one in the page.
    keepers = {each["noticeId"]: each["ocid"] for each in reversed(contracts) if sibling_id(each) not in stored}
    keepers |= {notice_id: each.get("ocid") for notice_id, each in stored.items()}
    kept = {_version(each): each for each in stored.values()}
    kept |= {_version(each): each for each in contracts if (each["noticeId"], each["ocid"]) in keepers.items()}
    for contract in contracts:
        own_id = sibling_id(contract)
        # If the keeper has no version of this date, this is its version, under another ocid.
        if own_id in stored or _is_another_procurement(contract, kept.setdefault(_version(contract), contract)):
            yield {**contract, "noticeId": own_id}
        else:
            yield contract


def _version(contract: Mapping[str, Any]) -> tuple[str, datetime | None]:
    return contract["noticeId"], contract.get("publishedDate")


def _is_another_procurement(contract: Mapping[str, Any], keeper: Mapping[str, Any]) -> bool:
    """Return whether two releases of one id and date are two procurements: both ocid and title are given and differ.

    Otherwise they are one release twice, or one that moved to another ocid.
    """
    pairs = [(contract[name], keeper.get(name)) for name in ("ocid", "title")]
    return all(None not in pair and pair[0] != pair[1] for pair in pairs)
