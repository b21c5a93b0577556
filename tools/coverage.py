"""Measures how many contracts have each field filled: by plain rules, by the mapper, and what the mapper misses.

    PYTHONPATH=plugins python -m tools.coverage ../shared/notices
    PYTHONPATH=plugins python -m tools.coverage ../shared/notices --sample 40     # notices and contracts, for reading

A cell of the table holds three shares of the releases of one source and regime: filled by the plain rules, filled by
the mapper, and, among the releases whose field stays empty, those that have such a value somewhere. The plain rules
read the obvious OCDS path only. "Somewhere" is a pattern over every value of the release, looser than any rule of the
mapper.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import defaultdict
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from tender_sync.mapping.contract import map_ocds_to_contract
from tender_sync.mapping.json_access import walk, words
from tender_sync.mapping.release import Release
from tools.ocds_server.catalogue import CONTRACTS_FINDER
from tools.ocds_server.load import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tender_sync.mapping.contract import MappedContract

_AMOUNT = r"^(?!.*(subcontracting|participationFees)).*\.(amount|amountGross)=[0-9]|estValidBidValue"
_OF_SOMETHING_ELSE = (
    "documents|lassifications|items|milestones|options|renewal|Criteria|techniques|participationFees|budget|parties"
    "|subcontracting|deliveryLocation|amendments.unstructured|reservedParticipationLocation|agreedMetrics|recurrence|bids"
)
# field → the paths that the plain rules read, and the pattern of a value held somewhere
FIELDS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "title": (("tender.title",), r"title="),
    "description": (("tender.description",), rf"^(?!.*({_OF_SOMETHING_ELSE})).*(description|rationale|statusDetails)="),
    "buyerName": (("buyer.name",), r"^(buyer\.name|parties\.name)="),
    "buyerOrg": (("buyer.id",), r"^(buyer\.id|parties\.id)="),
    "buyerRegion": (("parties.address.region",), r"^parties\.address\.region=|deliveryAddresses\.region="),
    "cpvCodes": (("tender.classification.id", "tender.items.classification.id"), r"scheme=CPV$"),
    "sector": (("tender.classification.id", "tender.items.classification.id"), r"scheme=CPV$"),
    "valueMin": (("tender.value.amount",), _AMOUNT),
    "valueMax": (("tender.value.amount",), _AMOUNT),
    "currency": (("tender.value.currency",), _AMOUNT),
    "valueBasis": ((), _AMOUNT),
    "publishedDate": (("date",), r"^date=|datePublished="),
    "deadlineDate": (("tender.tenderPeriod.endDate",), r"tenderPeriod\.endDate=|eadline=|newValue\.date="),
    "noticeType": ((), r"noticeType="),
    "regime": ((), r"legalBasis\.scheme="),
    "contractStartDate": (
        ("awards.contractPeriod.startDate", "tender.contractPeriod.startDate"),
        r"^(?!.*agreedMetrics).*(ontractPeriod|\.period)\.startDate=",
    ),
    "contractEndDate": (
        ("awards.contractPeriod.endDate", "tender.contractPeriod.endDate"),
        r"^(?!.*agreedMetrics).*(ontractPeriod|\.period|implementation)\.endDate=",
    ),
    "procurementMethod": (("tender.procurementMethod",), r"procurementMethod="),
    "procurementMethodDetails": (("tender.procurementMethodDetails",), r"procurementMethodDetails="),
    "contractMechanism": (
        ("tender.procurementMethodDetails",),
        r"procurementMethodDetails=|hasFramework|hasDynamic|relatedProcesses",
    ),
    "contractType": (("tender.mainProcurementCategory",), r"mainProcurementCategory="),
    "submissionMethod": (
        ("tender.submissionMethod",),
        r"submissionMethod=|electronicSubmissionPolicy=(allowed|required)",
    ),
    "submissionPortalUrl": (
        ("tender.submissionMethodDetails",),
        r"(submissionMethodDetails|atypicalToolUrl|accessDetails)=(?s:.)*(https?://|www\.)",
    ),
    "buyerContact": (("parties.contactPoint.email",), r"ontactPoints?\.(name=|email=.*@|telephone=.*([1-9].*){3})"),
    "documents": (("tender.documents.id",), r"documents\.(id|url)="),
    "lots": (("tender.lots.id",), r"tender\.lots\.id="),
    "maxLotsBidPerSupplier": (("tender.lotDetails.maximumLotsBidPerSupplier",), r"maximumLotsBidPerSupplier=[0-9]"),
    "suitableForSme": (("tender.suitability.sme",), r"suitability\.sme=|reservedParticipation=.*sme"),
    "suitableForVco": (("tender.suitability.vcse",), r"suitability\.vcse=|reservedParticipation=.*vcse"),
    "canRenew": (("tender.lots.renewal.description",), r"hasRenewal=|renewal\.|maxExtentDate="),
    "renewalDescription": (("tender.lots.renewal.description",), r"renewal\.description="),
    "geographicScope": (
        ("tender.items.deliveryAddresses.region",),
        r"deliveryAddresses\.(\d+\.)?(region|countryName|postalCode)=|deliveryLocation\.",
    ),
    "hasEuFunding": ((), r"roles=funder|financingParty|sourceParty"),
    "awardedSuppliers": (("awards.suppliers.name",), r"suppliers\.name=|roles=supplier$"),
    "awardDate": (("awards.date",), r"awards\.date=|dateSigned="),
    # 0, a penny and a pound are filled in.
    "awardValue": (
        ("awards.value.amount",),
        r"^(awards|contracts)\.value\.(amount|amountGross)=(?!(0|0\.01|1)(\.0)?$)",
    ),
    "tenderPeriodStart": (("tender.tenderPeriod.startDate",), r"tenderPeriod\.startDate="),
    "enquiryPeriodEnd": (("tender.enquiryPeriod.endDate",), r"enquiryPeriod\.endDate="),
}
NOT_PUBLISHED = {
    "Contracts Finder": ("valueBasis", "noticeType", "regime"),
    "Find a Tender, old rules": ("noticeType",),
}
_TITLES = {
    "UKPGA": "Find a Tender, the Act",
    "CELEX": "Find a Tender, old rules",
    CONTRACTS_FINDER: "Contracts Finder",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, or a sample, of a folder of notices; a path that is no folder ends with a message."""
    parser = argparse.ArgumentParser(prog="python -m tools.coverage", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path, help="release packages and releases as *.json, at any depth")
    parser.add_argument("--sample", type=int, metavar="N", help="print N random contracts beside their notices instead")
    parser.add_argument("--seed", type=int, default=4, help="of the sample (4)")
    given = parser.parse_args(arguments)
    try:
        groups = _groups(given.folder)
    except NotADirectoryError as error:
        parser.error(str(error))
    print("\n".join(_sample(groups, given.sample, given.seed) if given.sample else table(groups)))


def table(groups: Mapping[str, list[tuple[dict[str, Any], MappedContract]]]) -> Iterator[str]:
    """Yield the Markdown table of `groups` (title → releases with their contracts)."""
    yield "| field | " + " | ".join(f"{title} ({len(pairs)})" for title, pairs in groups.items()) + " |"
    yield "|---" * (len(groups) + 1) + "|"
    yield "| awarded shown AWARDED | " + " | ".join(_awarded(pairs) for pairs in groups.values()) + " |"
    for field in FIELDS:
        cells = (
            "" if field in NOT_PUBLISHED.get(title, ()) else _cell(field, pairs) for title, pairs in groups.items()
        )
        yield f"| {field} | " + " | ".join(cells) + " |"


def _groups(folder: Path) -> dict[str, list[tuple[dict[str, Any], MappedContract]]]:
    groups = defaultdict(list)
    for publication in load(folder):
        release = publication.release
        title = _TITLES.get(Release(release).regime or publication.source, "Find a Tender, no regime")
        groups[title].append((release, map_ocds_to_contract(release, publication.source)))
    return {title: sorted(pairs, key=lambda pair: pair[1]["noticeId"]) for title, pairs in sorted(groups.items())}


def _cell(field: str, pairs: list[tuple[dict[str, Any], MappedContract]]) -> str:
    paths, pattern = FIELDS[field]
    plain = sum(any(_has_value(walk(release, *path.split("."))) for path in paths) for release, _ in pairs)
    empty = [release for release, contract in pairs if not _has_value([contract[field]])]  # type: ignore[literal-required]
    held = sum(any(re.search(pattern, leaf) for leaf in leaves(release)) for release in empty)
    shares = (plain / len(pairs), 1 - len(empty) / len(pairs), held / len(empty) if empty else 0)
    return " → ".join(f"{share:.1%}" for share in shares[:2]) + f", {shares[2]:.1%}"


def _awarded(pairs: list[tuple[dict[str, Any], MappedContract]]) -> str:
    """Count the award notices that are AWARDED: none by the plain rules; all but dynamic markets and failed awards."""
    shown = [contract["status"] for release, contract in pairs if words(release, "tag") & {"award", "awardupdate"}]
    return f"0 → {shown.count('AWARDED')} of {len(shown)}"


def _has_value(values: Iterable[object]) -> bool:
    return any(value not in (None, "", [], {}) for value in values)


def leaves(value: object, path: str = "") -> Iterator[str]:
    """Yield every value of a release as `dotted.path=value`, positions in lists left out."""
    if isinstance(value, dict):
        for key, element in value.items():
            yield from leaves(element, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for element in value:
            yield from leaves(element, path)
    elif value not in (None, ""):
        yield f"{path}={value}"


def _sample(groups: Mapping[str, list[tuple[dict[str, Any], MappedContract]]], count: int, seed: int) -> Iterator[str]:
    pairs = [pair for group in groups.values() for pair in group]
    for release, contract in Random(seed).sample(pairs, min(count, len(pairs))):
        fields = {name: value for name, value in contract.items() if name != "rawData"}
        yield json.dumps(release, ensure_ascii=False)
        yield json.dumps(fields, ensure_ascii=False, default=str) + "\n"


if __name__ == "__main__":
    main()
