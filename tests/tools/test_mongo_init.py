"""tools/mongo_init.py against a real mongod with a key file and no users, as compose starts it."""

from __future__ import annotations

import base64
import os
import secrets
import subprocess
from dataclasses import replace

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from tools import mongo_init
from tools.mongo_init import AUTHENTICATION_FAILED, UNAUTHORIZED, Settings, SetupError, ensure, main
from tools.mongod import free_port, mongod_binary


@pytest.fixture
def mongod(tmp_path):
    """Start what docker-compose.yaml starts, and give the settings for it; ended and awaited afterwards."""
    address = f"127.0.0.1:{free_port()}"
    keyfile = tmp_path / "keyfile"
    keyfile.write_bytes(base64.b64encode(os.urandom(756)))
    keyfile.chmod(0o400)
    data = tmp_path / "db"
    data.mkdir()
    arguments = ["--dbpath", data, "--replSet", "rs0", "--keyFile", keyfile, "--oplogSize", "16"]
    host, port = address.split(":")
    process = subprocess.Popen(  # noqa: S603 - a fixed argument list
        [mongod_binary(), *arguments, "--bind_ip", host, "--port", port, "--logpath", tmp_path / "log"],
        stdout=subprocess.DEVNULL,
    )
    yield Settings(
        root_password=secrets.token_urlsafe(),
        app_password=secrets.token_urlsafe(),
        member=address,
        address=address,
    )
    process.terminate()
    process.wait(timeout=30)


def _client(settings, user=None, password=None, database="admin"):
    return MongoClient(
        f"mongodb://{settings.address}",
        username=user,
        password=password,
        authSource=database,
        replicaSet=settings.replica_set,
        serverSelectionTimeoutMS=10_000,
    )


def _app(settings):
    return _client(settings, settings.app_user, settings.app_password, settings.database)


def test_fresh_mongod_becomes_a_primary_on_which_the_application_can_use_transactions(mongod):
    assert ensure(mongod) == [
        f"replica set rs0: initiated, member {mongod.member}",
        "user root: created",
        "user tendhunt: created, readWrite on tendhunt",
    ]
    with _app(mongod) as client:
        contracts = client.tendhunt.contracts
        contracts.create_index("noticeId")
        with client.start_session() as session, session.start_transaction():
            contracts.insert_one({"noticeId": "1"}, session=session)
        assert contracts.count_documents({}) == 1


def test_application_user_can_do_nothing_outside_its_database(mongod):
    ensure(mongod)
    with _app(mongod) as client:
        for forbidden in (
            lambda: client.other.things.insert_one({}),
            client.other.things.find_one,
            lambda: client.admin.command("listDatabases", nameOnly=False, authorizedDatabases=False),
            lambda: client.tendhunt.command({"createUser": "mallory", "pwd": "x", "roles": ["readWrite"]}),
        ):
            with pytest.raises(OperationFailure) as refused:
                forbidden()
            assert refused.value.code == UNAUTHORIZED


def test_nobody_reads_without_a_password_afterwards(mongod):
    ensure(mongod)
    with _client(mongod) as anonymous, pytest.raises(OperationFailure) as refused:
        anonymous.tendhunt.contracts.find_one()
    assert refused.value.code == UNAUTHORIZED
    with _client(mongod) as anonymous, pytest.raises(OperationFailure) as refused:
        anonymous.admin.command({"createUser": "mallory", "pwd": "x", "roles": ["root"]})
    assert refused.value.code == UNAUTHORIZED


def test_a_second_run_changes_nothing(mongod):
    ensure(mongod)
    with _client(mongod, mongod.root_user, mongod.root_password) as root:
        before = list(root.admin.get_collection("system.users").find())
        assert ensure(mongod) == [
            "replica set rs0: already there",
            "user root: already there",
            "user tendhunt: already there",
        ]
        assert list(root.admin.get_collection("system.users").find()) == before


@pytest.mark.parametrize("last_step", ["_wait_for_primary", "_ensure_root", "_ensure_app_user"])
def test_a_run_that_died_half_way_is_finished_by_the_next(mongod, monkeypatch, last_step):
    class PowerCutError(Exception):
        pass

    def die(*_):
        raise PowerCutError

    with monkeypatch.context() as patched:
        patched.setattr(mongo_init, last_step, die)
        with pytest.raises(PowerCutError):
            ensure(mongod)
    ensure(mongod)
    with _app(mongod) as client:
        assert client.tendhunt.contracts.count_documents({}) == 0


def test_a_new_application_password_in_env_is_set_in_mongodb(mongod):
    ensure(mongod)
    changed = replace(mongod, app_password=secrets.token_urlsafe())
    assert ensure(changed)[-1] == "user tendhunt: password and role set again"
    with _app(changed) as client:
        assert client.tendhunt.contracts.find_one() is None
    with _app(mongod) as client, pytest.raises(OperationFailure) as refused:
        client.tendhunt.contracts.find_one()
    assert refused.value.code == AUTHENTICATION_FAILED


def test_a_role_changed_by_hand_is_put_back(mongod):
    ensure(mongod)
    with _client(mongod, mongod.root_user, mongod.root_password) as root:
        root.tendhunt.command("updateUser", "tendhunt", roles=[{"role": "root", "db": "admin"}])
        ensure(mongod)
        (user,) = root.tendhunt.command("usersInfo", "tendhunt")["users"]
    assert user["roles"] == [{"role": "readWrite", "db": "tendhunt"}]


def test_a_changed_root_password_is_refused_with_the_remedy(mongod):
    ensure(mongod)
    with pytest.raises(SetupError, match="put the first MONGO_ROOT_PASSWORD back"):
        ensure(replace(mongod, root_password=secrets.token_urlsafe()))


def test_a_replica_set_of_another_address_is_refused_with_the_remedy(mongod):
    ensure(mongod)
    with pytest.raises(SetupError, match=r"expected replica set rs0 of \['mongo:27017'\].*reconfig"):
        ensure(replace(mongod, member="mongo:27017"))


def test_the_command_line_reads_the_environment_and_says_what_it_did(mongod, monkeypatch, capsys):
    monkeypatch.setenv("MONGO_ROOT_PASSWORD", mongod.root_password)
    monkeypatch.setenv("MONGO_APP_PASSWORD", mongod.app_password)
    monkeypatch.setenv("MONGO_MEMBER", mongod.member)
    monkeypatch.setenv("MONGO_ADDRESS", mongod.address)
    monkeypatch.setenv("MONGO_DATABASE", "")  # what compose passes for a variable that .env leaves empty
    main()
    assert capsys.readouterr().out.splitlines()[-1] == "user tendhunt: created, readWrite on tendhunt"


@pytest.mark.parametrize("missing", ["MONGO_ROOT_PASSWORD", "MONGO_APP_PASSWORD"])
def test_a_missing_password_ends_it_with_one_sentence(missing, monkeypatch):
    monkeypatch.setenv("MONGO_ROOT_PASSWORD", "r")
    monkeypatch.setenv("MONGO_APP_PASSWORD", "a")
    monkeypatch.setenv(missing, "")
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == f"mongo-init: {missing} is empty: set it in .env and start again."
