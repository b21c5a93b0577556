"""Registers the page "Tender sync" where Airflow reads this folder as its plugins folder.

An installed package registers the page by its entry point. Airflow lists a second plugin of the same name as an import
error, so this file then offers none.
"""

from importlib.metadata import entry_points

__all__ = []

if not entry_points(group="airflow.plugins", name="tender_sync"):
    from tender_sync.web.plugin import TenderSyncPlugin

    __all__ += ["TenderSyncPlugin"]
