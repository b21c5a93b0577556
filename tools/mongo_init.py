"""Turns a fresh mongod into the one-node replica set that the DAGs need; a second run changes nothing.

docker-compose.yaml runs this once before Airflow starts, in the network namespace of the mongo container:
mongod is started there with a key file and no users, and only a client on its own loopback address may then
initiate the replica set and create the first user (MongoDB calls this the localhost exception). It makes three
things, each only where it is missing, so that the next run finishes what an interrupted one began:

1. the replica set, with this node as its only member, under the address that every other container uses;
2. the root user, in `admin`;
3. the application user, with readWrite on the one database of the product and nothing else.

Settings come from the environment: MONGO_ROOT_PASSWORD and MONGO_APP_PASSWORD must be set; MONGO_ROOT_USER
(root), MONGO_APP_USER (tendhunt), MONGO_DATABASE (tendhunt), MONGO_REPLICA_SET (rs0), MONGO_MEMBER
(mongo:27017) and MONGO_ADDRESS (127.0.0.1:27017; it must be loopback) may be.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Server error codes, as listed in MongoDB's error_codes.yml.
UNAUTHORIZED = 13
AUTHENTICATION_FAILED = 18

REACH_MONGOD_S = 30
ELECT_PRIMARY_S = 60
AWAIT_STEP_MS = 1000


class SetupError(Exception):
    """The server's state cannot be repaired from here; the text says what a person has to do."""


@dataclass(frozen=True)
class Settings:
    """Where mongod is, what the replica set is called, and the two users to create."""

    root_password: str
    app_password: str
    root_user: str = "root"
    app_user: str = "tendhunt"
    database: str = "tendhunt"
    replica_set: str = "rs0"
    member: str = "mongo:27017"
    address: str = "127.0.0.1:27017"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Read the MONGO_… variables of the module's docstring; an empty one counts as not set.

        Raises SetupError when a password is missing.
        """
        given = {name: environ.get(f"MONGO_{name.upper()}", "") for name in cls.__dataclass_fields__}
        for name in ("root_password", "app_password"):
            if not given[name]:
                raise SetupError(f"MONGO_{name.upper()} is empty: set it in .env and start again.")
        return cls(**{name: value for name, value in given.items() if value})


def main() -> None:
    """Run once from the command line; exit code 1 with one sentence when a person has to act."""
    try:
        for line in ensure(Settings.from_environ(os.environ)):
            print(line, flush=True)
    except (SetupError, PyMongoError) as error:
        sys.exit(f"mongo-init: {error}")


def ensure(settings: Settings) -> list[str]:
    """Ensure the replica set, the root user and the application user; return one line about each.

    Raises SetupError when a person has to act and pymongo's own errors when mongod cannot be reached.
    """
    with _connect(settings) as anonymous:
        done = [_ensure_replica_set(anonymous, settings)]
        _wait_for_primary(anonymous)
        done.append(_ensure_root(anonymous, settings))
    with _connect(settings, settings.root_user, settings.root_password) as root:
        done.append(_ensure_app_user(root, settings))
    return done


def _connect(
    settings: Settings, user: str | None = None, password: str | None = None, database: str = "admin"
) -> MongoClient[dict[str, Any]]:
    return MongoClient(
        f"mongodb://{settings.address}",
        directConnection=True,
        serverSelectionTimeoutMS=REACH_MONGOD_S * 1000,
        username=user,
        password=password,
        authSource=database,
    )


def _ensure_replica_set(client: MongoClient[dict[str, Any]], settings: Settings) -> str:
    hello = client.admin.command("hello")
    if hello.get("isreplicaset"):  # started with --replSet and never initiated
        members = [{"_id": 0, "host": settings.member}]
        client.admin.command("replSetInitiate", {"_id": settings.replica_set, "members": members})
        return f"replica set {settings.replica_set}: initiated, member {settings.member}"
    found = (hello.get("setName"), hello.get("hosts"))
    if found != (settings.replica_set, [settings.member]):
        raise SetupError(
            f"expected replica set {settings.replica_set} of {[settings.member]}, "
            f"found {found[0]} of {found[1]}: start mongod with --replSet {settings.replica_set}, "
            "or, when its data came from elsewhere, rs.reconfig() it to that one member."
        )
    return f"replica set {settings.replica_set}: already there"


def _wait_for_primary(client: MongoClient[dict[str, Any]]) -> None:
    """Wait on the server itself: an awaitable hello answers as soon as the node's state changes."""
    deadline = time.monotonic() + ELECT_PRIMARY_S
    hello = client.admin.command("hello")
    while not hello["isWritablePrimary"]:
        if time.monotonic() > deadline:
            raise SetupError(
                f"not primary after {ELECT_PRIMARY_S} s (it calls itself {hello.get('me')}): "
                "mongod must be able to resolve and reach its own member address; its log says more."
            )
        hello = client.admin.command("hello", topologyVersion=hello["topologyVersion"], maxAwaitTimeMS=AWAIT_STEP_MS)


def _ensure_root(anonymous: MongoClient[dict[str, Any]], settings: Settings) -> str:
    try:
        anonymous.admin.command(
            "createUser",
            settings.root_user,
            pwd=settings.root_password,
            roles=[{"role": "root", "db": "admin"}],
        )
    except OperationFailure as error:
        if error.code != UNAUTHORIZED:
            raise
    else:
        return f"user {settings.root_user}: created"
    # The localhost exception ends with the first user, so there is one. It must be ours.
    if not _can_log_in(settings, settings.root_user, settings.root_password, "admin"):
        raise SetupError(
            f"{settings.root_user} cannot log in, and another user exists already: put the first "
            "MONGO_ROOT_PASSWORD back into .env (docs/DEPLOY.md says how to change it in MongoDB)."
        )
    return f"user {settings.root_user}: already there"


def _ensure_app_user(root: MongoClient[dict[str, Any]], settings: Settings) -> str:
    roles = [{"role": "readWrite", "db": settings.database}]
    database = root[settings.database]
    found = database.command("usersInfo", settings.app_user)["users"]
    if not found:
        database.command("createUser", settings.app_user, pwd=settings.app_password, roles=roles)
        return f"user {settings.app_user}: created, readWrite on {settings.database}"
    if found[0]["roles"] == roles and _can_log_in(
        settings, settings.app_user, settings.app_password, settings.database
    ):
        return f"user {settings.app_user}: already there"
    database.command("updateUser", settings.app_user, pwd=settings.app_password, roles=roles)
    return f"user {settings.app_user}: password and role set again"


def _can_log_in(settings: Settings, user: str, password: str, database: str) -> bool:
    with _connect(settings, user, password, database) as client:
        try:
            client.admin.command("ping")
        except OperationFailure as error:
            if error.code != AUTHENTICATION_FAILED:
                raise
            return False
    return True


if __name__ == "__main__":
    main()
