"""The documents of a notice."""

from __future__ import annotations

from datetime import UTC, datetime

from tender_sync.mapping.documents import documents_of
from tender_sync.mapping.release import Release

NOTICE = {
    "id": "012345-2026",
    "documentType": "awardNotice",
    "noticeType": "UK6",
    "description": "Contract award notice on Find a Tender",
    "url": "https://www.find-tender.service.gov.uk/Notice/012345-2026",
    "datePublished": "2026-08-10T12:02:56+01:00",
    "format": "text/html",
}
MAPPED = {
    "id": "012345-2026",
    "documentType": "awardNotice",
    "title": None,
    "description": "Contract award notice on Find a Tender",
    "url": "https://www.find-tender.service.gov.uk/Notice/012345-2026",
    "datePublished": datetime(2026, 8, 10, 11, 2, 56, tzinfo=UTC),
    "format": "text/html",
}


def test_a_document_is_mapped_with_its_date_in_utc():
    assert documents_of(Release({"tender": {"documents": [NOTICE]}})) == [MAPPED]


def test_what_every_award_repeats_is_there_once():
    assert documents_of(Release({"awards": [{"documents": [NOTICE]}] * 62})) == [MAPPED]


def test_documents_come_in_order_of_the_procurement_whatever_the_order_of_the_release():
    release = {
        "contracts": [{"documents": [{"id": 4}], "implementation": {"documents": [{"id": 5}]}}],
        "awards": [{"documents": [{"id": 3}]}],
        "tender": {"documents": [{"id": 2}, {"id": 2, "title": " Second \n file "}]},
        "planning": {"documents": [{"id": 1}]},
    }
    found = documents_of(Release(release))
    assert [document["id"] for document in found] == ["1", "2", "2", "3", "4", "5"]
    assert found[2]["title"] == "Second file"


def test_what_is_no_address_is_none_and_what_says_nothing_is_left_out():
    documents = [
        {"id": "conflictOfInterest", "documentType": "conflictOfInterest", "description": "Not published"},
        {"id": "2", "url": "http://Contract Finder"},
        {},
        {"id": None, "url": "  "},
        "a document",
    ]
    found = documents_of(Release({"tender": {"documents": documents}}))
    assert [(document["id"], document["url"]) for document in found] == [("conflictOfInterest", None), ("2", None)]


def test_how_to_get_a_document_stands_in_for_its_description():
    found = documents_of(Release({"tender": {"documents": [{"id": "future", "accessDetails": "Via our portal"}]}}))
    assert found[0]["description"] == "Via our portal"


def test_blanks_in_a_file_name_are_written_as_browsers_do():
    found = documents_of(Release({"tender": {"documents": [{"url": " https://example.org/Terms and conditions.pdf"}]}}))
    assert found[0]["url"] == "https://example.org/Terms%20and%20conditions.pdf"
