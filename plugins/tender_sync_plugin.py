"""The page "Tender sync" in Airflow's UI: its FastAPI app, and its place in the navigation.

Airflow runs this file in every one of its processes, and only the API server ever serves the page: so the app is made
at the first request, and nothing heavy is imported before.
"""

from __future__ import annotations

import gc
from functools import cache
from typing import TYPE_CHECKING

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send


@cache
def _app() -> FastAPI:
    from tender_sync.web.app import create_app  # noqa: PLC0415 - see above

    app = create_app()
    # What a server holds once it is up stays for good, and Python's first full collection would walk through all of it
    # in the middle of a request: 0.35 s, measured. Airflow's scheduler and DAG processor do the same.
    gc.freeze()
    return app


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    """Hand a request to the page's app."""
    await _app()(scope, receive, send)


_APPS = [{"app": page, "url_prefix": "/tender-sync", "name": "Tender sync"}]
_VIEWS = [
    {
        "name": "Tender sync",
        # From the base of Airflow's own document, which is a path where a proxy serves Airflow under one.
        "href": "tender-sync/",
        "destination": "nav",
        "url_route": "tender-sync",
        "nav_top_level": True,
    }
]


class TenderSyncPlugin(AirflowPlugin):
    """Shows the page under "Tender sync" in the navigation."""

    name = "tender_sync"
    fastapi_apps = _APPS
    external_views = _VIEWS
