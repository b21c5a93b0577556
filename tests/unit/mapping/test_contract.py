"""Releases become contracts, field by field."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from time import process_time

import pytest

from tender_sync.errors import RejectedRelease
from tender_sync.mapping.contract import MAPPER_VERSION, MappedContract, map_ocds_to_contract

GUID = "0c5b1d5e-7a51-4a2f-9a70-3f1f4f9f2b11"
CF_PAGE = f"https://www.contractsfinder.service.gov.uk/Notice/{GUID}"
FTS_PAGE = "https://www.find-tender.service.gov.uk/Notice/"
EMPTY = {
    "ocid": None,
    "title": "Untitled",
    "description": None,
    "buyerName": "Unknown",
    "buyerOrg": None,
    "buyerRegion": None,
    "cpvCodes": [],
    "sector": None,
    "valueMin": None,
    "valueMax": None,
    "valueBasis": None,
    "currency": None,
    "publishedDate": None,
    "deadlineDate": None,
    "noticeType": None,
    "regime": None,
    "contractStartDate": None,
    "contractEndDate": None,
    "procurementMethod": None,
    "procurementMethodDetails": None,
    "contractMechanism": None,
    "contractType": None,
    "submissionMethod": [],
    "submissionPortalUrl": None,
    "buyerContact": None,
    "documents": [],
    "lots": [],
    "lotCount": 0,
    "maxLotsBidPerSupplier": None,
    "suitableForSme": None,
    "suitableForVco": None,
    "canRenew": None,
    "renewalDescription": None,
    "geographicScope": None,
    "hasEuFunding": None,
    "awardedSuppliers": [],
    "awardDate": None,
    "awardValue": None,
    "tenderPeriodStart": None,
    "enquiryPeriodEnd": None,
}


def fts(**release):
    return map_ocds_to_contract({"id": "012345-2026", **release}, "FIND_A_TENDER")


def cf(**release):
    return map_ocds_to_contract({"id": f"{GUID}-654321", **release}, "CONTRACTS_FINDER")


def notice(notice_type, kind, release_id="012345-2026"):
    return [{"id": release_id, "documentType": kind, "noticeType": notice_type, "url": f"{FTS_PAGE}{release_id}"}]


TOWN = {"id": "GB-PPON-AAAA-1111-BBBB", "name": "Anytown Council "}
TOWN_PARTY = {**TOWN, "roles": ["buyer"], "address": {"region": "UKX11"}}


@pytest.mark.parametrize("source", ["FIND_A_TENDER", "CONTRACTS_FINDER"])
def test_an_id_is_enough_and_every_field_is_there(source):
    contract = map_ocds_to_contract({"id": "x"}, source)

    assert set(contract) == set(MappedContract.__annotations__)
    assert {field: contract[field] for field in EMPTY} == EMPTY
    assert contract["noticeId"] == "x"
    assert contract["source"] == source
    assert contract["status"] == "CLOSED"
    assert contract["stage"] == "TENDER"
    assert contract["rawData"] == {"id": "x"}
    assert contract["mapperVersion"] == MAPPER_VERSION


@pytest.mark.parametrize(
    ("release", "reason"),
    [
        (None, "NoneType, not a JSON object"),
        ([{"id": "1"}], "list, not a JSON object"),
        ("012345-2026", "str, not a JSON object"),
        (7, "int, not a JSON object"),
        ({}, "its id is None"),
        ({"id": None}, "its id is None"),
        ({"id": " \n"}, "its id is ' "),
        ({"id": True}, "its id is True"),
        ({"id": 1.5}, "its id is 1.5"),
        ({"id": ["1"]}, "its id is "),
        ({"id": "1\0"}, "without NUL"),
        ({"id": "1" * 1001}, "its noticeId has 1,001 characters"),
        ({"id": "1", "ocid": "1" * 1001}, "its ocid has 1,001 characters"),
        ({"id": "1", "buyer": {"id": "1" * 1001}}, "its buyerOrg has 1,001 characters"),
    ],
)
def test_what_has_no_identity_is_rejected_with_the_reason(release, reason):
    with pytest.raises(RejectedRelease, match=reason):
        map_ocds_to_contract(release, "FIND_A_TENDER")


@pytest.mark.parametrize(
    ("given", "kept"), [(" a-1 ", "a-1"), ("a&amp;b", "a&amp;b"), (7, "7"), (2**70, str(2**70)), (0, "0")]
)
def test_ids(given, kept):
    assert fts(id=given)["noticeId"] == kept


def test_a_release_too_large_with_its_texts_is_rejected():
    """The description stands in the contract twice: as a field and in rawData."""
    half = "x" * (9 * 1024 * 1024)
    assert fts(note=half)["rawData"]["note"] == half
    with pytest.raises(RejectedRelease, match="bytes as a contract"):
        fts(tender={"description": half})


def test_odd_numbers_and_texts_reach_no_field():
    contract = fts(
        ocid="ocds-\ud800",
        tender={"title": "a\ud800b", "value": {"amount": float("inf"), "currency": "GBP"}},
    )
    assert contract["ocid"] == "ocds-\ufffd"
    assert contract["title"] == "a\ufffdb"
    assert contract["valueMax"] is None
    assert contract["rawData"]["tender"]["value"]["amount"] == "Infinity"


def test_titles_and_descriptions():
    contract = fts(tender={"title": " New\r\n  roof ", "description": " Line one.\nLine two. "})
    assert contract["title"] == "New roof"
    assert contract["description"] == "Line one.\nLine two."
    assert fts(tender={"title": "A &amp; B&apos;s&#160;roof<br/>"})["title"] == "A & B's roof"
    odd = fts(tender={"title": "\u200bCall\u2011off\xa0for&nbsp;roofs\ufeff", "description": "\xad"})
    assert (odd["title"], odd["description"]) == ("Call-off for roofs", None)
    assert fts(title="Release", tender={"title": " "})["title"] == "Release"
    assert fts(awards=[{"title": None}, {"title": "Award"}])["title"] == "Award"
    assert fts(contracts=[{"title": "Contract"}])["title"] == "Contract"
    assert fts(description="Said outside", tender={"description": None})["description"] == "Said outside"
    lots = {"lots": [{"description": None}, {"description": "Lot"}]}
    assert fts(description="Additional information", tender=lots)["description"] == "Lot"
    assert fts(contracts=[{"amendments": [{"rationale": "Restructured"}]}])["description"] == "Restructured"
    assert fts(contracts=[{"proposedAmendments": [{"description": "More roofs"}]}])["description"] == "More roofs"
    assert fts(contracts=[{"proposedAmendments": [{"rationale": "Leaks"}]}])["description"] == "Leaks"
    assert fts(contracts=[{"statusDetails": None}, {"statusDetails": "Breach"}])["description"] == "Breach"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("One.<br />Two &lt;3 &amp;amp; R&D;", "One.\nTwo <3 &amp; R&D;"),
        ("<p>One.</p>\r\n<P class='x'>Two.</P>", "One.\nTwo."),
        ("Needs:<ul><li>one</li><li>two</li></ul>Then", "Needs:\none\ntwo\nThen"),
        ('&lt;p&gt;<b>One</b> <span style="color: red">two</span>&lt;/p&gt;', "One two"),
        ('Bid <a href="https://bid.example.org/1" target="_blank">here</a>.', "Bid https://bid.example.org/1 here."),
        ('At <a href="https://bid.example.org">https://bid.example.org</a>', "At https://bid.example.org"),
        ('Ask <a href="mailto:jo@example.org">Jo</a>', "Ask Jo"),
        ("Jo <a@example.org>, <100 users, a<b and c>d, <TBC>", "Jo <a@example.org>, <100 users, a<b and c>d, <TBC>"),
    ],
)
def test_texts_lose_their_html(written, read):
    assert fts(tender={"description": written})["description"] == read


@pytest.mark.parametrize("part", ["<p ", "<a ", "<a href=", "<p>", "</", " ", "<a x=", "<a href=https://e.org "])
def test_texts_of_broken_html_are_read_in_time(part):
    before = process_time()
    assert fts(tender={"description": f"x<{part * 20_000}"})["description"]
    assert process_time() - before < 1


@pytest.mark.parametrize("portion", ["awards", "contracts"])
def test_what_is_repeated_word_for_word_counts_once(portion):
    one = {"id": "1", "value": {"amount": 500, "currency": "GBP"}}
    counted = [fts(**{portion: parts})["awardValue"] for parts in ([one, dict(one)], [one, {**one, "title": "Two"}])]
    assert counted == [500, 1000]
    without = {"value": one["value"]}
    assert fts(**{portion: [without, without]})["awardValue"] == 1000
    assert fts(tender={"lots": [{"id": 1}, {"id": "2"}, {"id": 1}]})["lotCount"] == 2


@pytest.mark.parametrize(
    ("dates", "deadline"),
    [
        ({"tenderPeriod": {"endDate": "2026-03-01T12:00:00Z"}}, datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ({"expressionOfInterestDeadline": "2026-03-02"}, datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC)),
        (
            {"expressionOfInterestDeadline": "2026-03-02", "tenderPeriod": {"endDate": "2026-03-01T12:00:00Z"}},
            datetime(2026, 3, 1, 12, tzinfo=UTC),
        ),
        (
            {"expressionOfInterestDeadline": "2026-03-02", "tenderPeriod": {"endDate": "0001-01-01T00:00:00"}},
            datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC),
        ),
        ({"enquiryPeriod": {"endDate": "2026-03-01T12:00:00Z"}}, None),
        ({"tenderPeriod": {"startDate": "2026-03-01T12:00:00Z"}}, None),
        ({"tenderPeriod": "2026-03-01"}, None),
    ],
)
def test_deadlines(dates, deadline):
    assert fts(tender=dates)["deadlineDate"] == deadline


def test_a_release_without_a_date_has_that_of_its_notice():
    documents = [
        {"documentType": "biddingDocuments", "datePublished": "2026-01-01T00:00:00Z"},
        {"documentType": "tenderNotice", "datePublished": "2026-02-02T00:00:00Z"},
    ]
    assert fts(date=None, tender={"documents": documents})["publishedDate"] == datetime(2026, 2, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("release", "page"),
    [
        ({}, f"{FTS_PAGE}012345-2026"),
        ({"id": "a b/../?c"}, f"{FTS_PAGE}a%20b%2F..%2F%3Fc"),
        ({"tender": {"documents": notice("UK4", "tenderNotice")}}, f"{FTS_PAGE}012345-2026"),
        # an id of no known form: the page the release itself publishes
        (
            {"id": "draft", "tender": {"documents": notice("UK4", "tenderNotice", "000777-2026")}},
            f"{FTS_PAGE}000777-2026",
        ),
        # its own page among others
        (
            {
                "tender": {"documents": notice("UK4", "tenderNotice")},
                "awards": [{"documents": notice("UK6", "awardNotice", "000777-2026")}],
            },
            f"{FTS_PAGE}012345-2026",
        ),
        # what a buyer attaches is not the notice, nor are other sites and odd addresses
        *(
            ({"tender": {"documents": [{"documentType": kind, "url": url}]}}, f"{FTS_PAGE}012345-2026")
            for kind, url in [
                ("biddingDocuments", f"{FTS_PAGE}000777-2026"),
                ("tenderNotice", f"{FTS_PAGE}Attachment/A-1"),
                ("tenderNotice", "https://example.org/Notice/000777-2026"),
                ("tenderNotice", "javascript:alert(1)"),
                ("tenderNotice", "http://[bad"),
                ("tenderNotice", None),
                ("tenderNotice", ["x", {}]),
            ]
        ),
    ],
)
def test_pages_of_find_a_tender(release, page):
    assert fts(**release)["sourceUrl"] == page


@pytest.mark.parametrize(
    ("release", "page"),
    [
        ({}, CF_PAGE),
        ({"ocid": "ocds-b5fd17-11111111-2222-3333-4444-555555555555"}, CF_PAGE),
        ({"id": GUID}, CF_PAGE),
        ({"id": "8812"}, "https://www.contractsfinder.service.gov.uk/Notice/8812"),
        (
            {"awards": [{"documents": [{"documentType": "awardNotice", "url": f"{FTS_PAGE}008661-2025"}]}]},
            CF_PAGE,
        ),
    ],
)
def test_pages_of_contracts_finder(release, page):
    assert cf(**release)["sourceUrl"] == page


ENGLAND = (
    *("North East", "North West", "Yorkshire and the Humber", "East Midlands", "West Midlands"),
    *("East of England", "London", "South East", "South West"),
)


@pytest.mark.parametrize(
    ("addresses", "region"),
    [
        ([{"region": " London "}], "London"),
        ([{"postalCode": "TA1 1AA"}, {"region": "London"}, {"region": "London"}], "London"),
        ({"1": {"region": "London"}}, "London"),
        ({"region": "London"}, "London"),
        ([{"region": "London"}, {"region": "Wales"}], None),
        ([{"region": region} for region in ENGLAND], "England"),
        ([{"region": region} for region in (*ENGLAND, "Scotland", "Wales", "Northern Ireland")], "United Kingdom"),
        ([{"countryName": "United Kingdom"}], None),
        ("London", None),
        (None, None),
    ],
)
def test_regions_of_contracts_finder(addresses, region):
    assert cf(tender={"items": [{"deliveryAddresses": addresses}]})["buyerRegion"] == region


def test_find_a_tender_has_the_region_of_the_buyer_not_of_the_delivery():
    contract = fts(
        buyer=TOWN,
        parties=[{"id": "S", "roles": ["supplier"], "address": {"region": "UKZ"}}, TOWN_PARTY],
        tender={"items": [{"deliveryAddresses": [{"region": "UKY"}]}]},
    )
    assert contract["buyerRegion"] == "UKX11"


def shuffled(value, order):
    if isinstance(value, dict):
        keys = list(value)
        order.shuffle(keys)
        return {key: shuffled(value[key], order) for key in keys}
    return [shuffled(element, order) for element in value] if isinstance(value, list) else value


def test_the_hash_tells_content_and_nothing_else():
    release = {"id": "1", "tender": {"title": "a", "value": {"amount": 5, "currency": "GBP"}, "lots": [1, 2, 3]}}
    known = fts(**release)["releaseHash"]

    assert len(known) == 64
    assert {fts(**shuffled(release, random.Random(seed)))["releaseHash"] for seed in range(10)} == {known}
    release["tender"]["value"]["amount"] = 5.0
    assert fts(**release)["releaseHash"] == known
    release["tender"]["lots"] = [1, 3, 2]
    assert fts(**release)["releaseHash"] != known


def test_the_release_is_kept_as_received_and_left_alone():
    release = {"id": "1", "tender": {"title": " a ", "$odd.key": [None, {"b": 1.0}]}}
    contract = map_ocds_to_contract(release, "FIND_A_TENDER")

    assert contract["rawData"] == release
    contract["rawData"]["tender"]["title"] = "changed"
    assert release["tender"]["title"] == " a "
