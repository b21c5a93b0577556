"""OCDS release → contract: the document the web app reads.

Each field has its function, in the module of its kind: `notices` (stage, status), `cpv`, `values`, `timeline`,
`parties`, `lots`, `documents`, `mechanism`, `terms`. All of it is pure, and reads odd JSON as absent rather than
failing on it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict
from urllib.parse import quote

from tender_sync.errors import RejectedRelease
from tender_sync.mapping.bson_limits import ensure_fits, repaired
from tender_sync.mapping.cpv import cpv_codes, derive_sector_from_cpv
from tender_sync.mapping.documents import MappedDocument, documents_of
from tender_sync.mapping.json_access import identifier, line, text, texts, walk, word
from tender_sync.mapping.lots import MappedLot, lots_of, max_lots_bid_per_supplier
from tender_sync.mapping.mechanism import Mechanism, contract_mechanism
from tender_sync.mapping.parties import UNKNOWN_BUYER, AwardedSupplier, Buyer, BuyerContact, awarded_suppliers, buyer_of
from tender_sync.mapping.release import Release, Stage, Status, map_stage, map_status
from tender_sync.mapping.terms import (
    ContractType,
    contract_type,
    geographic_scope,
    has_eu_funding,
    procurement_method_details,
    renewal,
    submission_method,
    submission_portal_url,
    suitable_for,
)
from tender_sync.mapping.timeline import (
    award_date,
    contract_period,
    deadline_date,
    enquiry_period_end,
    published_date,
    tender_period_start,
)
from tender_sync.mapping.values import Basis, award_value, estimated_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

__all__ = [
    "MAPPER_VERSION",
    "MappedContract",
    "OcdsRelease",
    "map_ocds_to_contract",
    "map_stage",
    "map_status",
]

# Raise it with every change that gives any release another contract: it tells a stored contract that would
# come out differently today from one that would not, though its release is the same.
MAPPER_VERSION = 10

# The ids of a whole page are searched for in one command, which may have 16 MiB.
LONGEST_ID = 1000

# The web app's model requires a title, as it does a buyer's name.
UNTITLED = "Untitled"

OcdsRelease: TypeAlias = dict[str, Any]


class MappedContract(TypedDict):
    """What one release becomes; every field is always there, None or empty when nothing is said of it.

    Dates are aware, in UTC, cut to milliseconds. `valueMin` and `valueMax` bound what the notice is worth, in
    `currency` and on the basis `valueBasis`, as do `awardValue` and the lots; how they are found stands at
    `values.estimated_value`. `valueBasis` is None for Contracts Finder, which does not say. `releaseHash` is equal for
    releases of equal content. `statedDeadlineDate` is what this notice says; the store moves `deadlineDate` where a
    corrigendum does (`lineage`).
    """

    ocid: str | None
    noticeId: str
    source: str
    sourceUrl: str
    title: str
    description: str | None
    status: Status
    stage: Stage
    buyerName: str
    buyerOrg: str | None
    buyerRegion: str | None
    cpvCodes: list[str]
    sector: str | None
    valueMin: float | None
    valueMax: float | None
    valueBasis: Basis | None
    currency: str | None
    publishedDate: datetime | None
    deadlineDate: datetime | None
    statedDeadlineDate: datetime | None
    noticeType: str | None
    regime: str | None
    contractStartDate: datetime | None
    contractEndDate: datetime | None
    procurementMethod: str | None
    procurementMethodDetails: str | None
    contractMechanism: Mechanism | None
    contractType: ContractType | None
    submissionMethod: list[str]
    submissionPortalUrl: str | None
    buyerContact: BuyerContact | None
    documents: list[MappedDocument]
    lots: list[MappedLot]
    lotCount: int
    maxLotsBidPerSupplier: int | None
    suitableForSme: bool | None
    suitableForVco: bool | None
    canRenew: bool | None
    renewalDescription: str | None
    geographicScope: str | None
    hasEuFunding: bool | None
    awardedSuppliers: list[AwardedSupplier]
    awardDate: datetime | None
    awardValue: float | None
    tenderPeriodStart: datetime | None
    enquiryPeriodEnd: datetime | None
    rawData: OcdsRelease
    releaseHash: str
    mapperVersion: int


def map_ocds_to_contract(release: object, source: str) -> MappedContract:
    """Return the contract of one release as decoded from the API of `source`.

    `source` is `FIND_A_TENDER` or `CONTRACTS_FINDER`. The release may be any JSON.

    Raises:
        RejectedRelease: it is no JSON object, has no usable `id`, or MongoDB cannot hold or find it.

    """
    publisher = _PUBLISHERS[source]
    raw = _json_object(release)
    notice_id = _notice_id(raw)
    read = Release(raw)
    buyer = buyer_of(read)
    codes = cpv_codes(read)
    stated = estimated_value(read)
    lots = lots_of(read, stated)
    period = contract_period(read)
    extension = renewal(read)
    deadline = deadline_date(read)
    contract = MappedContract(
        ocid=text(raw.get("ocid")),
        noticeId=notice_id,
        source=source,
        sourceUrl=_source_url(read, notice_id, publisher),
        title=_first(line, raw, _TITLES) or UNTITLED,
        description=_first(text, raw, _DESCRIPTIONS),
        status=read.status,
        stage=read.stage,
        buyerName=buyer.name or UNKNOWN_BUYER,
        buyerOrg=buyer.id,
        buyerRegion=publisher.region(read, buyer),
        cpvCodes=codes,
        sector=derive_sector_from_cpv(codes[0]) if codes else None,
        valueMin=stated.low,
        valueMax=stated.high,
        valueBasis=publisher.basis(stated.basis),
        currency=stated.currency,
        publishedDate=published_date(read),
        deadlineDate=deadline,
        statedDeadlineDate=deadline,
        noticeType=read.notice_type,
        regime=publisher.regime(read),
        contractStartDate=period.start,
        contractEndDate=period.end,
        procurementMethod=word(read.tenders, "procurementMethod"),
        procurementMethodDetails=procurement_method_details(read),
        contractMechanism=contract_mechanism(read),
        contractType=contract_type(read),
        submissionMethod=submission_method(read),
        submissionPortalUrl=submission_portal_url(read),
        buyerContact=buyer.contact,
        documents=documents_of(read),
        lots=lots,
        lotCount=len(lots),
        maxLotsBidPerSupplier=max_lots_bid_per_supplier(read),
        suitableForSme=suitable_for(read, "sme"),
        suitableForVco=suitable_for(read, "vcse"),
        canRenew=extension.possible,
        renewalDescription=extension.description,
        geographicScope=geographic_scope(read),
        hasEuFunding=has_eu_funding(read),
        awardedSuppliers=awarded_suppliers(read),
        awardDate=award_date(read),
        awardValue=award_value(read, stated),
        tenderPeriodStart=tender_period_start(read),
        enquiryPeriodEnd=enquiry_period_end(read),
        rawData=raw,
        releaseHash=_release_hash(raw),
        mapperVersion=MAPPER_VERSION,
    )
    ensure_fits(contract)
    _ensure_found(contract)
    return contract


@dataclass(frozen=True)
class _Publisher:
    """What the two publishers do differently."""

    host: str
    own_page: Callable[[str], str]  # notice id → last segment of its public page's address
    page: re.Pattern[str]  # such a segment
    region: Callable[[Release, Buyer], str | None]
    basis: Callable[[Basis | None], Basis | None]
    regime: Callable[[Release], str | None]


_ENGLAND = frozenset(
    {
        *("North East", "North West", "Yorkshire and the Humber", "East Midlands", "West Midlands"),
        *("East of England", "London", "South East", "South West"),
    }
)
_COUNTRIES = {_ENGLAND: "England", _ENGLAND | {"Scotland", "Wales", "Northern Ireland"}: "United Kingdom"}


def _delivery_region(release: Release, _buyer: Buyer) -> str | None:
    """Return the name of the region delivered to, Contracts Finder's only region; None for several.

    71 of 124 releases name one or more; the two that name nine and twelve mean the whole country.
    """
    regions = frozenset(texts(release.tenders, "items", "deliveryAddresses", "region"))
    return next(iter(regions)) if len(regions) == 1 else _COUNTRIES.get(regions)


def _buyer_region(_release: Release, buyer: Buyer) -> str | None:
    return buyer.region


_GUID = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_CF_NOTICE_ID = re.compile(f"({_GUID})-[0-9]+")


def notice_guid(notice_id: str) -> str:
    """Return the guid of a Contracts Finder notice: the release id adds a number that its page lacks."""
    match = _CF_NOTICE_ID.fullmatch(notice_id)
    return match[1] if match else notice_id


_PUBLISHERS: Mapping[str, _Publisher] = {
    "FIND_A_TENDER": _Publisher(
        host="www.find-tender.service.gov.uk",
        own_page=str,
        page=re.compile("[0-9]{6}-[0-9]{4}"),
        region=_buyer_region,
        basis=lambda basis: basis,
        regime=lambda release: release.regime,
    ),
    "CONTRACTS_FINDER": _Publisher(
        host="www.contractsfinder.service.gov.uk",
        own_page=notice_guid,
        page=re.compile(_GUID),
        region=_delivery_region,
        basis=lambda _: None,
        regime=lambda _: None,
    ),
}

# Corrigenda and pages of awards alone may leave the tender out. Notices of changes and ends describe nothing
# but what changed and why it ended.
_TITLES = (("tender", "title"), ("title",), ("awards", "title"), ("contracts", "title"))
_DESCRIPTIONS = (
    ("tender", "description"),
    ("tender", "lots", "description"),
    ("description",),  # the old forms' "additional information": of procedure, rules and appeals
    ("awards", "description"),
    ("contracts", "description"),
    ("tender", "amendments", "description"),
    ("contracts", "amendments", "description"),
    ("contracts", "amendments", "rationale"),
    ("contracts", "proposedAmendments", "description"),
    ("contracts", "proposedAmendments", "rationale"),
    ("awards", "statusDetails"),
    ("contracts", "statusDetails"),
)


def _json_object(release: object) -> OcdsRelease:
    if not isinstance(release, dict):
        raise RejectedRelease(f"it is a {type(release).__name__}, not a JSON object; nothing can be made of it")
    raw: OcdsRelease = repaired(release)
    return raw


def _notice_id(release: OcdsRelease) -> str:
    notice_id = identifier(release.get("id"))
    if notice_id is None:
        met = repr(release.get("id"))[:80]
        raise RejectedRelease(f"its id is {met}, expected a non-empty string or a whole number: it has no identity")
    if "\0" in notice_id:  # which no regular expression of MongoDB's may hold, such as the one that finds its family
        raise RejectedRelease(f"its id is {notice_id[:80]!r}, expected a text without NUL: it has no usable identity")
    return notice_id


def _ensure_found(contract: MappedContract) -> None:
    for name in ("noticeId", "ocid", "buyerOrg"):
        length = len(contract[name] or "")
        if length > LONGEST_ID:
            raise RejectedRelease(f"its {name} has {length:,} characters, expected at most {LONGEST_ID:,} in an id")


def _source_url(release: Release, notice_id: str, publisher: _Publisher) -> str:
    """Return the public page: the one the release publishes, its own first, else the one its id leads to.

    Notice documents may link another publisher's page (a Contracts Finder award names its Find a Tender
    notice), an attachment (`/Notice/Attachment/…`) or any address at all; only proper notice pages of this
    publisher count.
    """
    base = f"https://{publisher.host}/Notice/"
    own = publisher.own_page(notice_id)
    page = re.compile(f"https?://{re.escape(publisher.host)}/Notice/({publisher.page.pattern})/?", re.IGNORECASE)
    matches = [page.fullmatch(text(document.get("url")) or "") for document in release.notice_documents]
    published = [match[1] for match in matches if match]
    return base + quote(own if own in published or not published else published[-1], safe="")


def _first(
    read: Callable[[object], str | None], release: OcdsRelease, places: tuple[tuple[str, ...], ...]
) -> str | None:
    return next((found for place in places for value in walk(release, *place) if (found := read(value))), None)


def _release_hash(release: OcdsRelease) -> str:
    """Return the SHA-256 of a release's canonical JSON: keys sorted, 5.0 written as 5, no blanks."""
    canonical = json.dumps(_canonical(release), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: each if isinstance(each, str) else _canonical(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_canonical(element) for element in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
