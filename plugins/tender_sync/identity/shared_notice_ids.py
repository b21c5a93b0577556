"""Several procurements announced by one notice: releases with one id under several ocids, each a contract of its own.

"Release IDs are unique within a procurement process (ocid)", says Find a Tender's API documentation, and a notice lists
"the OCIDs of the procurements the notice is linked to". The mapping of forms that it follows makes one release of each
object of a prior information notice, all with the notice's number as their id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from tender_sync.mapping.contract import MappedContract


def sibling_id(contract: Mapping[str, Any]) -> str:
    """Return the `noticeId` of a contract whose notice's own id another procurement's contract has."""
    return f"{contract['noticeId']} {contract['ocid']}"


def separate_procurements(
    contracts: Sequence[MappedContract], stored: Mapping[str, Mapping[str, Any]]
) -> Iterable[MappedContract]:
    """Give every contract the `noticeId` it is stored under: a notice's first keeps its id, siblings get their own.

    `stored`: the contracts there are, by `noticeId`, under these ids and `sibling_id`s.
    """
    holders = {_moment(each): each for each in stored.values()}
    # The procurement that has the id, or comes first, keeps it in all versions, wherever in the page they stand.
    keepers = {each["noticeId"]: each["ocid"] for each in reversed(contracts) if sibling_id(each) not in stored}
    keepers |= {notice_id: each.get("ocid") for notice_id, each in stored.items()}
    holders |= {_moment(each): each for each in contracts if each["ocid"] == keepers.get(each["noticeId"], ...)}
    for contract in contracts:
        own = sibling_id(contract)
        is_sibling = own in stored or _is_sibling(contract, holders.setdefault(_moment(contract), contract))
        yield {**contract, "noticeId": own} if is_sibling else contract


def _moment(contract: Mapping[str, Any]) -> tuple[str, datetime | None]:
    return contract["noticeId"], contract.get("publishedDate")


def _is_sibling(contract: Mapping[str, Any], holder: Mapping[str, Any]) -> bool:
    """Say whether releases of one id and moment are two procurements, not one twice, nor one that moved to an ocid."""
    return all(
        None not in (here, there) and here != there
        for here, there in ((contract[name], holder.get(name)) for name in ("ocid", "title"))
    )
