"""The Airflow plugin: the page's FastAPI app, and its place in Airflow's navigation.

Every Airflow process imports this module, and only the API server serves the page. So the app is made at the first
request, and nothing heavy is imported before.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send


@cache
def _app() -> FastAPI:
    from tender_sync.web.app import create_app  # noqa: PLC0415 - heavy, see above

    return create_app()


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    """Pass a request on to the page's app."""
    await _app()(scope, receive, send)


_APPS = [{"app": page, "url_prefix": "/tender-sync", "name": "Tender sync"}]
_VIEWS = [
    {
        "name": "Tender sync",
        # Relative to the base of Airflow's own document: a proxy may serve Airflow under a path.
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
