"""Who gets the page, told by Airflow itself: its own API server with the plugin, its own logins and roles."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING
from unittest.mock import patch
from urllib.parse import urljoin

import pytest
from fastapi.testclient import TestClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATHS = ("/", "/static/page.js", "/api/overview", f"/api/rejected/{'0' * 24}")
USERS = {"anna": "admin", "oscar": "op", "uma": "user", "vera": "viewer", "nora": ""}
ALLOWED = {"/": 200, "/static/page.js": 200, "/api/overview": 200, f"/api/rejected/{'0' * 24}": 404}


@pytest.fixture(scope="module")
def server(metadata, tmp_path_factory) -> Iterator[TestClient]:  # noqa: ARG001 - a fixture cannot be marked to use one
    """Airflow's API server, whole, with one user of each role and one who may nothing; it takes two seconds to make."""
    from airflow.api_fastapi.app import create_app, purge_cached_app  # noqa: PLC0415 - after the environment

    passwords = tmp_path_factory.mktemp("api-server") / "passwords.json"
    passwords.write_text(json.dumps({name: f"{name}-password" for name in USERS}))
    settings = {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in USERS.items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__API_AUTH__JWT_SECRET": "s" * 64,
        # As `airflow api-server` does, so that connections are looked up in Airflow's database too.
        "_AIRFLOW_PROCESS_CONTEXT": "server",
    }
    purge_cached_app()
    with patch.dict(os.environ, settings), TestClient(create_app(), follow_redirects=False) as client:
        yield client
    purge_cached_app()


@pytest.fixture
def airflow(server, mongo_connection) -> TestClient:  # noqa: ARG001 - as above
    """The server, asked by nobody yet, with this test's database."""
    server.cookies.clear()
    return server


@pytest.fixture
def token(airflow) -> Callable[[str], str]:
    def login(name: str) -> str:
        answer = airflow.post("/auth/token", json={"username": name, "password": f"{name}-password"})
        assert answer.status_code == 201
        airflow.cookies.clear()
        return answer.json()["access_token"]

    return login


def test_nobody_gets_it_without_a_login(airflow):
    answers = {path: airflow.get(f"/tender-sync{path}") for path in PATHS}
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(PATHS, 401)
    assert not [answer.text for answer in answers.values() if "Tender sync" in answer.text]


def test_forged_and_foreign_tokens_are_refused(airflow, token):
    header, payload, signature = token("anna").split(".")
    for forged in ("nonsense", f"{header}.{payload}.{signature[::-1]}", f"{header}.{payload}."):
        for path in PATHS:
            sent = airflow.get(f"/tender-sync{path}", headers={"Authorization": f"Bearer {forged}"})
            assert sent.status_code in {401, 403}


def test_user_who_may_not_see_the_dags_is_refused(airflow, token):
    nora = {"Authorization": f"Bearer {token('nora')}"}
    assert airflow.get("/api/v2/dags", headers=nora).status_code == 403, "what Airflow itself says to this user"
    for path in PATHS:
        assert airflow.get(f"/tender-sync{path}", headers=nora).status_code == 403


@pytest.mark.parametrize("name", ["anna", "oscar", "uma", "vera"])
def test_whoever_may_see_the_dags_gets_it(airflow, token, name):
    sent = {"Authorization": f"Bearer {token(name)}"}
    assert {path: airflow.get(f"/tender-sync{path}", headers=sent).status_code for path in PATHS} == ALLOWED


def test_browsers_cookie_is_a_login(airflow, token):
    airflow.cookies.set("_token", token("vera"))
    assert airflow.get("/tender-sync/api/overview").status_code == 200


def test_nothing_is_changed_by_anybody(airflow, token):
    sent = {"Authorization": f"Bearer {token('anna')}"}
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert airflow.request(method, "/tender-sync/api/overview", headers=sent).status_code == 405


def test_page_describes_its_interface_to_nobody(airflow):
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert airflow.get(f"/tender-sync{path}").status_code == 404


def test_page_stands_in_the_navigation(airflow, token):
    answer = airflow.get("/api/v2/plugins", headers={"Authorization": f"Bearer {token('anna')}"})
    (plugin,) = [each for each in answer.json()["plugins"] if each["name"] == "tender_sync"]
    (view,) = plugin["external_views"]
    assert (view["name"], view["href"], view["destination"]) == ("Tender sync", "tender-sync/", "nav")
    errors = airflow.get("/api/v2/plugins/importErrors", headers={"Authorization": f"Bearer {token('anna')}"})
    assert errors.json()["import_errors"] == []


def test_page_is_found_where_a_proxy_serves_airflow_under_a_path(airflow, token):
    """Airflow's document tells by its base where it is, and the frame's address is taken from there."""
    sent = {"Authorization": f"Bearer {token('anna')}"}
    plugins = airflow.get("/api/v2/plugins", headers=sent).json()["plugins"]
    (view,) = next(each for each in plugins if each["name"] == "tender_sync")["external_views"]
    for path in ("", "/airflow"):
        served = TestClient(airflow.app, root_path=path)
        base = re.search(r'<base href="([^"]*)"', served.get(f"{path}/", headers=sent).text)[1]
        address = urljoin(base, view["href"])
        assert (address, served.get(address, headers=sent).status_code) == (f"{path}/tender-sync/", 200)


def test_connection_kept_in_airflows_own_database_is_used(airflow, token, mongo_connection, mongod, db, monkeypatch):
    """As a person would add it on Airflow's page of connections."""
    monkeypatch.delenv("AIRFLOW_CONN_TENDHUNT_MONGO")
    sent = {"Authorization": f"Bearer {token('anna')}"}
    assert airflow.get("/tender-sync/api/overview", headers=sent).status_code == 503
    connection = {"connection_id": mongo_connection, "conn_type": "mongo", "host": "127.0.0.1", "port": mongod.port}
    made = airflow.post("/api/v2/connections", headers=sent, json=connection | {"schema": db.name})
    assert made.status_code == 201
    try:
        assert airflow.get("/tender-sync/api/overview", headers=sent).status_code == 200
    finally:
        airflow.delete(f"/api/v2/connections/{mongo_connection}", headers=sent)
