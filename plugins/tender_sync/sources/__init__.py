"""The sources, as data. A new one is one more module here, and one more name in `SOURCES`."""

from collections.abc import Mapping

from tender_sync.sources.base import Source
from tender_sync.sources.contracts_finder import CONTRACTS_FINDER
from tender_sync.sources.find_a_tender import FIND_A_TENDER

__all__ = ["CONTRACTS_FINDER", "FIND_A_TENDER", "MONGO_CONN_ID", "SOURCES"]

MONGO_CONN_ID = "tendhunt_mongo"
SOURCES: Mapping[str, Source] = {source.name: source for source in (FIND_A_TENDER, CONTRACTS_FINDER)}
