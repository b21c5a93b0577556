"""Maps an OCDS release to a contract, the document that the web app reads.

Each kind of field has its module. All of them are pure, and read odd JSON as absent instead of failing on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeAlias, TypedDict
from urllib.parse import quote

from tender_sync.errors import RejectedRelease
from tender_sync.mapping import submission, timeline
from tender_sync.mapping.bson_limits import ensure_fits, repaired
from tender_sync.mapping.canonical_json import content_hash
from tender_sync.mapping.cpv import cpv_codes, derive_sector_from_cpv
from tender_sync.mapping.documents import MappedDocument, documents_of
from tender_sync.mapping.json_access import identifier, line, text, walk, word
from tender_sync.mapping.lots import MappedLot, lots_of, max_lots_bid_per_supplier
from tender_sync.mapping.mechanism import Mechanism, contract_mechanism
from tender_sync.mapping.parties import UNKNOWN_BUYER, AwardedSupplier, BuyerContact, awarded_suppliers, buyer_of
from tender_sync.mapping.release import Release, Stage, Status
from tender_sync.mapping.renewal import renewal
from tender_sync.mapping.scope import ContractType, contract_type, delivery_region, geographic_scope, has_eu_funding
from tender_sync.mapping.values import Basis, award_value, estimated_value
from tender_sync.sources import SOURCES
from tender_sync.sources.base import PublisherRules, RegionPlace

# Raise it with every change that gives any release another contract. Stored contracts of a lower version may come out
# differently today, though their releases are the same: they are mapped again.
MAPPER_VERSION = 10

# In characters. One command searches for the ids of a whole page, and a command may have 16 MiB.
LONGEST_ID = 1000

UNTITLED = "Untitled"  # the web app's model requires a title, as it does a buyer's name

OcdsRelease: TypeAlias = dict[str, Any]


class MappedContract(TypedDict):
    """The contract of one release, field by field in docs/CONTRACTS.md; what a notice does not say is None or empty.

    Dates are aware. `deadlineDate` differs from `statedDeadlineDate` once storage has moved it after a corrigendum
    (`identity.lineage`).
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
    """Return the contract of one release, which may be any JSON, from the source of this name in `SOURCES`.

    Raises RejectedRelease where the release is no JSON object, has no usable `id`, or MongoDB cannot hold or find it.
    """
    publisher = SOURCES[source].publisher
    if not isinstance(release, dict):
        raise RejectedRelease(f"it is a {type(release).__name__}, not a JSON object; nothing can be made of it")
    raw: OcdsRelease = repaired(release)
    notice_id = _notice_id(raw)
    read = Release(raw)
    buyer = buyer_of(read)
    codes = cpv_codes(read)
    stated = estimated_value(read)
    lots = lots_of(read, stated)
    start, end = timeline.contract_period(read)
    can_renew, renewal_description = renewal(read)
    deadline = timeline.deadline_date(read)
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
        buyerRegion=buyer.region if publisher.region is RegionPlace.BUYER else delivery_region(read),
        cpvCodes=codes,
        sector=derive_sector_from_cpv(codes[0]) if codes else None,
        valueMin=stated.low,
        valueMax=stated.high,
        valueBasis=stated.basis if publisher.states_value_basis else None,
        currency=stated.currency,
        publishedDate=timeline.published_date(read),
        deadlineDate=deadline,
        statedDeadlineDate=deadline,
        noticeType=read.notice_type,
        regime=read.regime if publisher.states_regime else None,
        contractStartDate=start,
        contractEndDate=end,
        procurementMethod=word(read.tenders, "procurementMethod"),
        procurementMethodDetails=submission.procurement_method_details(read),
        contractMechanism=contract_mechanism(read),
        contractType=contract_type(read),
        submissionMethod=submission.submission_method(read),
        submissionPortalUrl=submission.submission_portal_url(read),
        buyerContact=buyer.contact,
        documents=documents_of(read),
        lots=lots,
        lotCount=len(lots),
        maxLotsBidPerSupplier=max_lots_bid_per_supplier(read),
        suitableForSme=submission.suitable_for(read, "sme"),
        suitableForVco=submission.suitable_for(read, "vcse"),
        canRenew=can_renew,
        renewalDescription=renewal_description,
        geographicScope=geographic_scope(read),
        hasEuFunding=has_eu_funding(read),
        awardedSuppliers=awarded_suppliers(read),
        awardDate=timeline.award_date(read),
        awardValue=award_value(read, stated),
        tenderPeriodStart=timeline.tender_period_start(read),
        enquiryPeriodEnd=timeline.enquiry_period_end(read),
        rawData=raw,
        releaseHash=content_hash(raw),
        mapperVersion=MAPPER_VERSION,
    )
    ensure_fits(contract)
    for name in ("noticeId", "ocid", "buyerOrg"):
        length = len(contract[name] or "")
        if length > LONGEST_ID:
            raise RejectedRelease(f"its {name} has {length:,} characters, expected at most {LONGEST_ID:,} in an id")
    return contract


# Where a title and a description may stand, the best place first. Corrigenda and notices of awards may leave the tender
# out. Notices of changes and ends describe only what changed and why it ended.
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


def _notice_id(release: OcdsRelease) -> str:
    notice_id = identifier(release.get("id"))
    if notice_id is None:
        met = repr(release.get("id"))[:80]
        raise RejectedRelease(f"its id is {met}, expected a non-empty string or a whole number: it has no identity")
    if "\0" in notice_id:  # MongoDB takes no NUL in a regular expression, and one finds the notice's other versions
        raise RejectedRelease(f"its id is {notice_id[:80]!r}, expected a text without NUL: it has no usable identity")
    return notice_id


def _source_url(release: Release, notice_id: str, publisher: PublisherRules) -> str:
    """Return the address of the notice's public page, by the rule in docs/CONTRACTS.md.

    Notice documents may also link to another publisher's page (a Contracts Finder award names its Find a Tender
    notice), to an attachment (`/Notice/Attachment/…`) or to any address at all: these do not count.
    """
    prefix = publisher.page_host + publisher.page_path
    page = re.compile(f"https?://{re.escape(prefix)}(?P<id>{publisher.page_id.pattern})/?", re.IGNORECASE)
    found = [page.fullmatch(text(document.get("url")) or "") for document in release.notice_documents]
    published = [match["id"] for match in found if match]
    own = publisher.guid_of(notice_id) or notice_id
    page_id = own if own in published or not published else published[-1]
    return f"https://{prefix}{quote(page_id, safe='')}"


def _first(read: Callable[[object], str | None], release: OcdsRelease, places: Iterable[tuple[str, ...]]) -> str | None:
    return next((found for place in places for value in walk(release, *place) if (found := read(value))), None)
