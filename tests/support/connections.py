"""Airflow connections, put into the environment as a person would put them there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tender_sync.sources import MONGO_CONN_ID

if TYPE_CHECKING:
    from tender_sync.sources.base import Source
    from tools.mongod import Mongod

MONGO_VARIABLE = f"AIRFLOW_CONN_{MONGO_CONN_ID.upper()}"


def http_variable(source: Source) -> str:
    """Return the name of the environment variable with a source's connection."""
    return f"AIRFLOW_CONN_{source.http_conn_id.upper()}"


def http(url: str, **fields: Any) -> str:
    """Return the connection to an API as the text of its variable."""
    return json.dumps({"conn_type": "http", "host": url, **fields})


def mongo(**fields: Any) -> str:
    """Return the connection to a MongoDB of this machine as the text of its variable."""
    return json.dumps({"conn_type": "mongo", "host": "127.0.0.1", **fields})


def mongo_of(mongod: Mongod, database: str) -> str:
    """Return the connection to a database of a mongod as the text of its variable."""
    return json.dumps(mongod.connection(database))
