"""Any JSON becomes a contract that MongoDB can hold, or is rejected; nothing else happens."""

from __future__ import annotations

import json
from datetime import UTC

import bson
import pytest
from bson.codec_options import CodecOptions
from hypothesis import given, settings
from hypothesis import strategies as st

from tender_sync.errors import RejectedRelease
from tender_sync.identity.buyer_keys import map_buyer, org_id
from tender_sync.mapping.bson_limits import storable
from tender_sync.mapping.contract import map_ocds_to_contract
from tests.invariants import assert_invariants

SOURCES = ("FIND_A_TENDER", "CONTRACTS_FINDER")
AWARE = CodecOptions(tz_aware=True, tzinfo=UTC)

# Every key the mapper reads, so that odd values reach every reader.
KEYS = """
    id ocid tag date title description tender planning awards contracts parties buyer name roles address region details
    url contactPoint documents documentType noticeType datePublished status legalBasis scheme classification
    additionalClassifications items lots value minValue amount amountGross currency implementation finalValue charges
    estimatedValue proposedAmendments deliveryAddresses tenderPeriod endDate expressionOfInterestDeadline startDate
    contractPeriod period maxExtentDate durationInDays enquiryPeriod dateSigned amendments unstructuredChanges where
    section newValue techniques frameworkAgreement hasFrameworkAgreement hasDynamicPurchasingSystem relatedProcesses
    relationship procurementMethod procurementMethodDetails mainProcurementCategory submissionMethod
    submissionMethodDetails submissionTerms electronicSubmissionPolicy variantPolicy communication atypicalToolUrl
    accessDetails format email telephone additionalContactPoints suppliers relatedLots relatedLot awardID lotDetails
    maximumLotsBidPerSupplier hasRenewal renewal hasOptions options suitability sme vcse otherRequirements
    reservedParticipation awardCriteria criteria numbers number weight type budget budgetBreakdown sourceParty finance
    financingParty bids statistics measure countryName postalCode deliveryLocation 1 2 $set a.b
"""
WORDS = [
    *("tender", "award", "planning", "tenderCancellation", "contractTermination", "tenderUpdate", "compiled"),
    *("active", "complete", "cancelled", "unsuccessful", "withdrawn", "planned", "pending"),
    *("buyer", "supplier", "CPV", "45000000", "03000000-1", "99999999", "GBP", "aed", "UKPGA", "CELEX", "12.50"),
    *("awardNotice", "tenderNotice", "UK4", "UK14", "https://www.find-tender.service.gov.uk/Notice/000001-2026"),
    *("framework", "Call-off from a dynamic purchasing system", "IT Framework", "funder", "European Union", "IV.2.2)"),
    *("services", "allowed", "electronicSubmission", "30%", "percentageExact", "order", "highestValidBidValue"),
    *("www.ariba.com", "Apply at https://in-tendhost.co.uk/x.", "http://Contract Finder", "funded by the EU"),
    *("2026-08-10T12:00:00+01:00", "0001-01-01T00:00:00", "20244-01-01", "2026-08-10", " Trim me ", "Infinity"),
]
text = st.text(st.characters(codec=None), max_size=8)  # lone surrogates and NULs included
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=2**62, max_value=2**70),
    st.floats(),
    st.sampled_from(WORDS),
    text,
)
keys = st.sampled_from(KEYS.split()) | text


def grown(children):
    return st.lists(children, max_size=4) | st.dictionaries(keys, children, max_size=6)


any_json = st.recursive(scalars, grown, max_leaves=25)


def like(**fields):
    """Objects with some of these fields, each as it should be or anything at all."""
    return st.fixed_dictionaries({}, optional={name: field | any_json for name, field in fields.items()})


def many(objects):
    return st.lists(objects, max_size=3) | objects | st.dictionaries(st.sampled_from("12"), objects)


words = st.sampled_from(WORDS)
amounts = st.floats() | st.sampled_from([1.7e308, 0.004, -0.0]) | st.integers(-5, 10**12) | words
money = like(amount=amounts, amountGross=amounts, currency=st.sampled_from(["GBP", "AED", "USD"]))
classification = like(scheme=st.just("CPV"), id=st.from_regex(r"[0-9]{8}(-[0-9])?", fullmatch=True) | words)
items = many(
    like(
        classification=classification,
        additionalClassifications=many(classification),
        deliveryAddresses=many(like(region=words)),
    )
)
documents = many(like(id=words, documentType=words, noticeType=words, url=words, datePublished=words))
statuses = st.sampled_from(["active", "complete", "cancelled", "unsuccessful", "pending", "planned", "withdrawn"])
organisation = like(
    id=words | text,
    name=words | text,
    roles=many(words),
    address=like(region=words),
    contactPoint=like(name=words, email=words, telephone=words, url=words),
)
period = like(startDate=words, endDate=words, maxExtentDate=words, durationInDays=amounts)
awards = many(
    like(
        id=words,
        awardID=words,
        status=statuses,
        value=money,
        items=items,
        documents=documents,
        title=words,
        date=words,
        dateSigned=words,
        suppliers=many(organisation),
        relatedLots=many(words),
        contractPeriod=period,
        period=period,
        hasRenewal=st.booleans(),
        renewal=like(description=words),
        implementation=like(finalValue=money, charges=many(like(estimatedValue=money))),
        proposedAmendments=many(like(value=money, period=period, hasRenewal=st.booleans(), description=words)),
    )
)
criteria = many(like(name=words, type=words, description=words, numbers=many(like(number=amounts, weight=words))))
lots = many(
    like(
        id=words,
        title=words,
        value=money,
        contractPeriod=period,
        hasRenewal=st.booleans(),
        renewal=like(description=words),
        hasOptions=st.booleans(),
        options=like(description=words),
        suitability=like(sme=st.booleans(), vcse=st.booleans()),
        submissionTerms=like(variantPolicy=words, electronicSubmissionPolicy=words),
        awardCriteria=like(criteria=criteria),
    )
)
release_like = like(
    id=words,
    ocid=words,
    date=words,
    tag=st.lists(words, max_size=2),
    buyer=organisation,
    parties=many(organisation),
    awards=awards,
    contracts=awards,
    planning=like(
        documents=documents,
        budget=like(
            amount=money,
            budgetBreakdown=many(like(amount=money, sourceParty=organisation)),
            finance=many(like(financingParty=organisation)),
        ),
    ),
    bids=like(statistics=many(like(measure=words, value=amounts, currency=words, relatedLot=words))),
    relatedProcesses=many(like(relationship=many(words))),
    tender=like(
        title=words,
        status=statuses,
        value=money,
        minValue=money,
        items=items,
        lots=lots,
        lotDetails=like(maximumLotsBidPerSupplier=amounts),
        techniques=like(
            hasFrameworkAgreement=st.booleans(),
            hasDynamicPurchasingSystem=st.booleans(),
            frameworkAgreement=like(value=money, period=period),
        ),
        procurementMethod=words,
        procurementMethodDetails=words,
        mainProcurementCategory=words,
        submissionMethod=many(words),
        submissionMethodDetails=words,
        submissionTerms=like(electronicSubmissionPolicy=words, variantPolicy=words),
        contractPeriod=period,
        amendments=many(like(unstructuredChanges=many(like(where=like(section=words), newValue=like(date=words))))),
        documents=documents,
        legalBasis=like(scheme=words),
        tenderPeriod=like(endDate=words),
        classification=classification,
    ),
)
releases = (release_like | any_json).map(lambda made: {"id": "1", **made} if isinstance(made, dict) else made)


def assert_storable(contract):
    held = bson.decode(bson.encode(contract), AWARE)
    assert held == contract
    json.dumps(contract["rawData"], allow_nan=False).encode()

    key = org_id(contract)
    assert key is None or bson.encode(map_buyer(contract, key))
    assert (key is None) == (contract["buyerOrg"] is None and contract["buyerName"] == "Unknown")


def backwards(value):
    """The same JSON with the keys of every object in the opposite order."""
    if isinstance(value, dict):
        return {key: backwards(element) for key, element in reversed(value.items())}
    return [backwards(element) for element in value] if isinstance(value, list) else value


@settings(max_examples=200)
@given(release=releases, source=st.sampled_from(SOURCES))
def test_any_json_is_a_contract_or_is_rejected(release, source):
    try:
        contract = map_ocds_to_contract(release, source)
    except RejectedRelease as rejected:
        assert str(rejected)  # noqa: PT017 - which of the two happens is the property
        return
    assert_invariants(contract)
    assert_storable(contract)
    assert contract["releaseHash"] == map_ocds_to_contract(backwards(release), source)["releaseHash"]


@settings(max_examples=200)
@given(any_json)
def test_a_storable_copy_is_its_own_copy(value):
    copy = storable(value)
    assert storable(copy) == copy


@pytest.mark.parametrize("depth", [98, 99, 500, 50_000])
@pytest.mark.parametrize("field", ["tender", "awards", "parties", "tag", "anything"])
def test_deep_json_is_a_contract_or_is_rejected(field, depth):
    value = []
    for _ in range(depth - 1):
        value = [value]
    release = {"id": "1", field: value}
    if depth <= 98:  # the release is one level itself, the contract another
        assert_invariants(map_ocds_to_contract(release, "FIND_A_TENDER"))
        return
    with pytest.raises(RejectedRelease, match="nested"):
        map_ocds_to_contract(release, "FIND_A_TENDER")
