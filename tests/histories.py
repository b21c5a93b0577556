"""Histories of procurements made by hand: notices of each kind, in the shape and with the gaps of the real ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tender_sync.mapping.contract import map_ocds_to_contract

if TYPE_CHECKING:
    from collections.abc import Iterable

DAY_ONE = datetime(2026, 3, 2, 9, tzinfo=UTC)
OCID = "ocds-h6vhtk-0a1b2c"
LEEDS = ("GB-PPON-PJYG-6658-PPMY", "Leeds City Council")
OTHER = ("GB-COH-03284666", "Coastline Housing Limited")
# kind → tags, notice type, tender.status; no notice type: the rules before the Procurement Act, or Contracts Finder
KINDS: dict[str, tuple[list[str], str | None, str | None]] = {
    "UK1": (["planning"], "UK1", "planned"),
    "UK2": (["planning"], "UK2", "planning"),
    "UK2 update": (["planningUpdate"], "UK2", "planning"),
    "UK4": (["tender"], "UK4", "active"),
    "UK4 update": (["tenderUpdate"], "UK4", "active"),
    "UK5": (["award", "contract"], "UK5", "complete"),
    "UK6": (["award", "contract"], "UK6", "complete"),
    "UK6 update": (["awardUpdate", "contractUpdate"], "UK6", "complete"),
    "UK7": (["award", "contract"], "UK7", "complete"),
    "UK7 update": (["awardUpdate", "contractUpdate"], "UK7", "complete"),
    "UK9": (["implementation"], "UK9", None),
    "UK10": (["contractAmendment"], "UK10", None),
    "UK11": (["contractTermination"], "UK11", None),
    "UK12": (["tenderCancellation"], "UK12", None),
    "UK13": (["tender"], "UK13", "active"),
    "UK14": (["award", "contract"], "UK14", "complete"),
    "UK15": (["award", "contract"], "UK15", None),
    "UK16": (["contractTermination"], "UK16", None),
    "old planning": (["planning"], None, "planned"),
    "old tender": (["tender"], None, "active"),
    "old award": (["award", "contract"], None, "complete"),
    "old award update": (["awardUpdate", "contractUpdate"], None, None),
    "corrigendum": (["tenderUpdate"], None, None),
    "CF planning": (["planning"], None, "planned"),
    "CF tender": (["tender"], None, "active"),
    "CF amendment": (["tenderAmendment"], None, "active"),
    "CF award": (["award"], None, "complete"),
    "CF award update": (["awardUpdate"], None, "complete"),
}
# Notices that name contracts, and those that name lots; what only corrects or ends has a tender of its title alone.
_SIGNED = {"UK7", "UK7 update", "UK9", "UK10", "UK11", "old award", "old award update"}
_AWARDED = {"UK5", "UK6", "UK6 update", "UK7", "UK7 update", "UK14", "UK15", "old award", "old award update"}
_BARE = {"UK9", "UK10", "UK11", "UK12", "UK15", "UK16", "corrigendum"}


def release(
    notice_id: str,
    kind: str,
    day: float,
    *,
    about: Iterable[str] = ("1",),
    lots: Iterable[str] = ("1",),
    ocid: str | None = OCID,
    buyer: tuple[str, str] = LEEDS,
    deadline: float | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Make the release of a notice of `kind`, `day` days after the first, `about` these awards (or contracts).

    A `deadline` is so many days after the first; a corrigendum moves it there.
    """
    tags, notice_type, status = KINDS[kind]
    old = notice_type is None and not kind.startswith("CF")
    number = {each: f"{notice_id}-{each}" if old else each for each in about}
    tender: dict[str, Any] = {"id": "1", "title": "Road salt"}
    if status:
        tender["status"] = status
    if kind not in _BARE:
        tender["lots"] = [{"id": lot} for lot in lots]
    tender["legalBasis"] = {"scheme": "CELEX" if old else "UKPGA"}
    if notice_type:
        tender["documents"] = [{"id": notice_id, "documentType": "xNotice", "noticeType": notice_type}]
    if deadline is not None:
        until = _at(deadline)
        change = {"where": {"section": "IV.2.2)"}, "newValue": {"date": until}}
        moved = {"amendments": [{"id": "1", "unstructuredChanges": [change]}]}
        tender |= moved if kind == "corrigendum" else {"tenderPeriod": {"endDate": until}}
    made: dict[str, Any] = {
        "id": notice_id,
        "ocid": ocid,
        "date": _at(day),
        "tag": tags,
        "tender": tender,
        "buyer": {"id": buyer[0], "name": buyer[1]},
    }
    if kind in _AWARDED:
        made["awards"] = [{"id": each} for each in number.values()]
    if kind in _SIGNED:
        made["contracts"] = [{"id": each, "awardID": each} for each in number.values()]
    return made | more


def _at(day: float) -> str:
    return f"{DAY_ONE + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ}"


def contract(notice_id: str, kind: str, day: float, **more: Any) -> Any:
    """Make the contract of such a notice."""
    source = "CONTRACTS_FINDER" if kind.startswith("CF") else "FIND_A_TENDER"
    return map_ocds_to_contract(release(notice_id, kind, day, **more), source)
