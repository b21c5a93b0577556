"""Registers the page "Tender sync" where Airflow reads this folder as its plugins folder."""

from tender_sync.web.plugin import TenderSyncPlugin

__all__ = ["TenderSyncPlugin"]
