"""Values of other types, as the first version or a script may have left them, hold no source up nor a count wrong."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS

from tender_sync.clock import SystemClock
from tender_sync.pipeline.remap import remap_contracts
from tender_sync.storage.buyers import Buyers
from tender_sync.storage.contract_counts import ContractCounts
from tests.integration.test_stats import counts
from tests.integration.world import DURHAM, LEEDS, release
from tests.integration.writer import HOUR, PUBLISHED, Writer

FIELDS = """
    ocid title stage sector noticeType buyerName buyerOrg buyerId publishedDate deadlineDate statedDeadlineDate
    rawData cpvCodes updatedAt
"""
# No list: an index on a field that ever held one covers no query any more, and the database is shared.
VALUES = ("2026-06-05T09:00:00.000Z", None, 7, {"a": "b"})
# Takes requests until its deadline, so that this is compared with what comes later.
MARKET = release("1", date=PUBLISHED) | {
    "tender": {"title": "Grit", "status": "active", "techniques": {"hasDynamicPurchasingSystem": True}}
}


@pytest.fixture
def writer(world_db, source):
    return Writer(world_db, source)


@pytest.mark.parametrize("field", FIELDS.split())
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_value_of_another_type_in_a_contract_ends_no_run(writer, world_db, source, field, value):
    writer.commit(MARKET, release("2", date=PUBLISHED))
    world_db.contracts.update_one({"noticeId": "1"}, {"$set": {field: value}})
    stats, clock = ContractCounts(world_db, source), SystemClock()
    stats.recount()
    Buyers(world_db, clock).recount_buyers()

    writer.commit(MARKET)
    award = release("3", date=PUBLISHED + HOUR, tag=["award"], buyer=("GB-COH-9", LEEDS[1]))
    writer.commit(award | {"ocid": MARKET["ocid"]})
    budget = timedelta(minutes=5)
    remap_contracts(world_db, [source], clock, dry_run=True, time_budget=budget, stop_requested=lambda: False)
    writer.commit(release("1", date=PUBLISHED + HOUR, title="Salt"))

    for buyer in world_db.buyers.find():
        assert buyer["contractCount"] == world_db.contracts.count_documents({"buyerId": buyer["_id"]})
    assert stats.recount() == 0
    assert sum(month.get("contracts", 0) for month in counts(world_db).values()) == 3


def test_date_of_no_year_that_can_be_written_counts_as_none(world_db, source):
    """JavaScript makes such a one of a slip of the pen."""
    clamped = CodecOptions(tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_CLAMP)
    writer = Writer(world_db.with_options(codec_options=clamped), source)
    writer.commit(MARKET)
    world_db.contracts.update_one({}, {"$set": {"publishedDate": DatetimeMS(300_000_000_000_000)}})
    stats = ContractCounts(world_db, source)
    stats.recount()
    assert counts(world_db)["undated"]["contracts"] == 1
    writer.commit(release("1", date=PUBLISHED, title="Salt"))
    assert stats.recount() == 0


def test_next_version_puts_right_what_was_of_another_type(writer, world_db):
    writer.commit(MARKET)
    broken = {"publishedDate": "2030-01-01", "buyerName": 7, "stage": None, "cpvCodes": "45000000"}
    world_db.contracts.update_one({}, {"$set": broken})
    writer.commit(release("1", date=PUBLISHED + HOUR))
    contract = world_db.contracts.find_one()
    assert (contract["buyerName"], contract["stage"], contract["cpvCodes"]) == (LEEDS[1], "TENDER", [])
    assert isinstance(contract["publishedDate"], datetime)


@pytest.mark.parametrize("value", [None, "12", "gone"], ids=repr)
def test_count_of_a_buyer_that_is_no_number_is_made_anew(writer, world_db, value):
    writer.commit(*(release(str(number), date=PUBLISHED) for number in range(3)), release("9", date=PUBLISHED))
    change = {"$unset": {"contractCount": ""}} if value == "gone" else {"$set": {"contractCount": value}}
    world_db.buyers.update_one({}, change)
    moved = release("9", date=PUBLISHED + HOUR, buyer=DURHAM)
    writer.commit(release("3", date=PUBLISHED), moved)
    assert {each["orgId"]: each["contractCount"] for each in world_db.buyers.find()} == {LEEDS[0]: 4, DURHAM[0]: 1}


@pytest.mark.parametrize("value", [None, 7, {"a": "b"}], ids=repr)
def test_keys_that_are_no_texts_are_left_where_they_are(writer, world_db, value):
    nameless = release("1", date=PUBLISHED, buyer=("", LEEDS[1]))
    writer.commit(nameless)
    world_db.contracts.insert_one({"source": writer.source.name, "noticeId": value, "ocid": nameless["ocid"]})
    world_db.buyers.update_one({}, {"$set": {"orgId": value}})
    writer.commit({**release("2", date=PUBLISHED), "ocid": nameless["ocid"]})
    assert world_db.contracts.find_one({"noticeId": "2"})["isLatest"]
    assert [each["contractCount"] for each in world_db.buyers.find()] == [2]
