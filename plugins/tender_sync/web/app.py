"""The page's FastAPI app: one HTML page, its script and style, and the JSON it shows. It only reads.

Every request needs Airflow's permission to see the DAGs; Airflow's auth manager decides. The page shares Airflow's
origin, so a script in a notice would act as the person who looks at it. So notices leave here as JSON only, the page's
script inserts them as text, and the content security policy allows no other script.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response

from tender_sync.connections import KeptDatabase
from tender_sync.errors import FailRun
from tender_sync.sources import MONGO_CONN_ID, SOURCES
from tender_sync.storage.rejected import find_rejected
from tender_sync.web import queries
from tender_sync.web.view import overview, rejected_release, without_credentials

_STATIC = Path(__file__).parent / "static"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def create_app(database: KeptDatabase | None = None) -> FastAPI:
    """Make the app; `database` is by default that of the connection `tendhunt_mongo`."""
    kept = database or KeptDatabase(MONGO_CONN_ID)
    files = {path.name: path.read_bytes() for path in _STATIC.iterdir()}
    # Without /openapi.json, and so without /docs and /redoc: FastAPI would serve them to anybody.
    app = FastAPI(title="Tender sync", openapi_url=None, dependencies=[Depends(requires_access_dag("GET"))])

    @app.middleware("http")
    async def add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        response.headers.update(_HEADERS)
        return response

    @app.exception_handler(FailRun)
    async def answer_failure(_request: Request, failure: FailRun) -> Response:
        return JSONResponse({"problem": without_credentials(str(failure))}, status_code=503)

    @app.get("/")
    def page() -> Response:
        return _file(files, "page.html")

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        return _file(files, name)

    @app.get("/api/overview")
    def api_overview() -> Response:
        now = datetime.now(UTC)
        with kept.opened() as db:
            documents = [queries.source_documents(db, source) for source in SOURCES.values()]
            buyers = queries.busiest_buyers(db)
        # A ready response: FastAPI would search a dictionary for values that are not JSON.
        return JSONResponse(overview(documents, buyers, now))

    @app.get("/api/rejected/{key}")
    def api_rejected(key: str) -> dict[str, Any]:
        with kept.opened() as db:
            document = find_rejected(db, key)
        if document is None:
            raise HTTPException(404, "no such rejected release: it may have been mapped since")
        return rejected_release(document)

    return app


def _file(files: dict[str, bytes], name: str) -> Response:
    if name not in files:
        raise HTTPException(404)
    return Response(files[name], media_type=_TYPES[Path(name).suffix])
