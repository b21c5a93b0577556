"""The package installed as a wheel, its folders beside it, and the whole repository as Airflow's DAG bundle.

The clean environment is a virtual environment that sees the locked packages of the one the tests run in, so that it is
made in a second. What the package declares is held against those packages: `pip install` would be content with them.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from packaging.requirements import Requirement

from tender_sync.sources import FIND_A_TENDER
from tests.conftest import ROOT
from tests.support.connections import http, http_variable
from tests.support.databases import metadata_database
from tools.ocds_server import Catalogue, OcdsServer, ServerClock, generate

PACKAGE = ROOT / "plugins" / "tender_sync"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DECLARED = {requirement.name: requirement for requirement in map(Requirement, PROJECT["dependencies"])}
# The zone data are read by zoneinfo, where the system has none.
NOT_IMPORTED = {"tzdata"}
# Who brings a module that is not named as its distribution; starlette's are types only, of what FastAPI gives.
DISTRIBUTIONS = {
    "airflow.providers.http": "apache-airflow-providers-http",
    "airflow.providers.mongo": "apache-airflow-providers-mongo",
    "airflow": "apache-airflow",
    "bson": "pymongo",
    "slugify": "python-slugify",
    "starlette": "fastapi",
}
# Airflow's API server asked as a person would: for the page, for the plugins, and for those it could not import.
LOOK_AT_THE_PAGE = """
import json
from airflow.api_fastapi.app import create_app
from fastapi.testclient import TestClient

with TestClient(create_app(apps="core,execution"), follow_redirects=False) as airflow:
    login = airflow.post("/auth/token", json={"username": "anna", "password": "anna-password"})
    sent = {"Authorization": f"Bearer {login.json()['access_token']}"}
    paths = ("/tender-sync/", "/tender-sync/static/page.js", "/tender-sync/api/overview")
    plugins = airflow.get("/api/v2/plugins", headers=sent).json()["plugins"]
    print(json.dumps({
        "pages": [airflow.get(path, headers=sent).status_code for path in paths],
        "sources": [plugin["source"] for plugin in plugins if plugin["name"] == "tender_sync"],
        "errors": airflow.get("/api/v2/plugins/importErrors", headers=sent).json()["import_errors"],
    }))
"""


def run(*command, **environment):
    ran = subprocess.run(  # noqa: S603 - our own interpreter, or that of a test's environment
        [str(word) for word in command],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    return ran.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "uv", "build", "--quiet", "--offline", "--wheel", "--out-dir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def installed(tmp_path_factory, wheel):
    """The interpreter of an environment that holds the wheel."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "locked.pth").write_text(sysconfig.get_path("purelib"))
    run(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, wheel)
    return python


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """An Airflow home with its metadata, the DAG files, a user, and no plugins folder."""
    home = tmp_path_factory.mktemp("airflow")
    shutil.copyfile(metadata_database(tmp_path_factory), home / "airflow.db")
    shutil.copytree(ROOT / "dags", home / "dags")
    (home / "passwords.json").write_text(json.dumps({"anna": "anna-password"}))
    return home


def environment(home):
    """What leads to nothing of this repository, neither its folders nor the packages of the tests' own PYTHONPATH."""
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home / "plugins"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "anna:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__API_AUTH__JWT_SECRET": "s" * 64,
        "PYTHONPATH": "",
    }


def test_package_declares_what_it_imports():
    imported = {name for file in PACKAGE.rglob("*.py") for name in imports(ast.parse(file.read_text()))}
    ours = sys.stdlib_module_names | {"tender_sync", "__future__"}
    needed = {distribution(name) for name in imported if name.partition(".")[0] not in ours}
    assert needed == set(DECLARED) - NOT_IMPORTED, "correct the dependencies in pyproject.toml"


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield str(node.module)


def distribution(module):
    found = (name for part, name in DISTRIBUTIONS.items() if f"{module}.".startswith(f"{part}."))
    return next(found, module.partition(".")[0])


@pytest.mark.parametrize("name", DECLARED)
def test_locked_version_is_one_that_the_package_accepts(name):
    assert version(name) in DECLARED[name].specifier


def test_wheel_holds_every_file_of_the_package_and_nothing_else(wheel):
    tracked = {str(file.relative_to(PACKAGE.parent)) for file in PACKAGE.rglob("*") if file.is_file()}
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")}
    assert {name for name in packed if ".dist-info/" not in name} == {
        name for name in tracked if "__pycache__" not in name
    }


@pytest.mark.slow
def test_wheel_alone_runs_a_dag_from_a_folder_elsewhere(installed, home, mongo_connection, db):  # noqa: ARG001 - set by it
    found = run(installed, "-c", "import tender_sync; print(tender_sync.__file__)", **environment(home))
    assert Path(found).is_relative_to(installed.parents[1])
    now = datetime.now(UTC).replace(microsecond=0)
    start = now - timedelta(days=2)
    catalogue = Catalogue(generate(5, start, now, 40.0), clock=ServerClock())
    settings = {"BACKFILL_START_DATE": start.date().isoformat(), "SYNC_PACE_SECONDS": "0"}
    with OcdsServer(catalogue) as server:
        settings[http_variable(FIND_A_TENDER)] = http(server.url)
        run(installed, "-m", "airflow", "dags", "test", "find_a_tender", **environment(home), **settings)
    assert db.syncRuns.find_one()["outcome"] == "done"
    assert db.contracts.count_documents({}) == len(catalogue.existing(FIND_A_TENDER.name)) > 50


@pytest.mark.slow
@pytest.mark.parametrize("plugins", [None, ROOT / "plugins"], ids=["wheel alone", "wheel and plugins folder"])
def test_page_is_registered_once(installed, home, mongo_connection, plugins):  # noqa: ARG001 - set by it
    given = environment(home)
    if plugins:
        given["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(plugins)
    seen = json.loads(run(installed, "-c", LOOK_AT_THE_PAGE, **given).splitlines()[-1])
    assert seen["pages"] == [200, 200, 200]
    assert [source.partition(":")[0] for source in seen["sources"]] == [f"tender-sync=={PROJECT['version']}"]
    assert seen["errors"] == []


def test_repository_as_the_dag_bundle_has_our_dags_and_no_import_error():
    dagbag = DagBag(ROOT)
    assert dagbag.import_errors == {}
    assert {Path(dag.fileloc) for dag in dagbag.dags.values()} == set((ROOT / "dags").glob("*.py"))
