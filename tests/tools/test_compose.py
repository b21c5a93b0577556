"""docker-compose.yaml held against the compose specification's schema and against rules of our own.

This proves that the file says what we mean, not that containers start: docs/DEPLOY.md lists what was run.
"""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml
from cryptography.fernet import Fernet

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yaml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
DEPLOY = (ROOT / "docs" / "DEPLOY.md").read_text()
EXAMPLE = dict(
    line.split("=", 1) for line in (ROOT / ".env.example").read_text().splitlines() if "=" in line and line[0] != "#"
)
SECRET = re.compile(r".*_(PASSWORD|KEY|SECRET)")
# What compose interpolates: $$ is a dollar; we allow ${NAME:?message} and ${NAME:-default} and nothing else.
VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+):(?P<kind>[-?])(?P<rest>[^{}]*)\})")

ONE_SHOT = {
    dependency
    for service in SERVICES.values()
    for dependency, how in service.get("depends_on", {}).items()
    if how["condition"] == "service_completed_successfully"
}
every_service = pytest.mark.parametrize("name", SERVICES)


def _interpolate(value, environment):
    def replace(match):
        if match["name"] is None:
            return "$"
        return environment.get(match["name"]) or (match["rest"] if match["kind"] == "-" else pytest.fail(match[0]))

    return VARIABLE.sub(replace, value)


def _filled():
    return {name: value or "Zz09-_=" for name, value in EXAMPLE.items()}


def _validator():
    schema = importlib.resources.files("check_jsonschema.builtin_schemas.vendor") / "compose-spec.json"
    parsed = json.loads(schema.read_text())
    return jsonschema.validators.validator_for(parsed)(parsed)


def test_file_follows_the_compose_specification():
    assert [f"{error.json_path}: {error.message}" for error in _validator().iter_errors(COMPOSE)] == []


def test_override_for_atlas_in_the_documentation_follows_it_too():
    (block,) = re.findall(r"```yaml\n(.*?)```", DEPLOY, flags=re.DOTALL)
    override = yaml.safe_load(block)
    assert [error.message for error in _validator().iter_errors(override)] == []
    assert set(override["services"]) <= set(SERVICES)
    airflow = {
        name for name, service in SERVICES.items() if "AIRFLOW_CONN_TENDHUNT_MONGO" in service.get("environment", {})
    }
    for name in airflow:
        connection = json.loads(override["services"][name]["environment"]["AIRFLOW_CONN_TENDHUNT_MONGO"])
        assert connection["extra"]["srv"] is True
        assert "port" not in connection


@every_service
def test_published_ports_are_bound_to_loopback(name):
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\$\{\w+_PORT:-\d+\}:\d+", port), port
    assert SERVICES[name].get("network_mode", "") in {"", "service:mongo"}


@pytest.mark.parametrize(
    "image",
    [service["image"] for service in SERVICES.values()]
    + re.findall(r"^FROM (\S+)$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE),
)
def test_images_are_pinned_to_an_exact_version(image):
    repository, _, tag = image.partition(":")
    parts = 2 if repository == "postgres" else 3  # PostgreSQL's versions have two numbers
    exact = rf"\d+(\.\d+){{{parts - 1}}}(-python3\.12)?(@sha256:[0-9a-f]{{64}})?"
    assert re.fullmatch(exact, tag), f"{image} is not one exact version"


@every_service
def test_long_running_services_have_a_health_check_and_are_restarted(name):
    service = SERVICES[name]
    if name in ONE_SHOT:
        assert service["restart"] == "no"
        assert "healthcheck" not in service
    else:
        assert service["restart"] == "unless-stopped"
        assert {"test", "interval", "timeout", "retries", "start_period"} <= set(service["healthcheck"])
        assert "stop_grace_period" in service


@every_service
def test_services_are_bounded_in_memory_and_log(name):
    service = SERVICES[name]
    assert {"cpus", "memory"} == set(service["deploy"]["resources"]["limits"])
    assert {"max-size", "max-file"} == set(service["logging"]["options"])
    assert service["security_opt"] == ["no-new-privileges:true"]


@every_service
def test_dependencies_wait_for_what_the_other_service_can_reach(name):
    for dependency, how in SERVICES[name].get("depends_on", {}).items():
        if how["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[dependency]
        else:
            assert how["condition"] == "service_completed_successfully"
            assert SERVICES[dependency]["restart"] == "no"


def test_everything_of_airflow_waits_for_both_set_ups():
    airflow = {name for name in SERVICES if name.startswith("airflow-")} - ONE_SHOT
    assert len(airflow) == 4
    for name in airflow:
        assert set(SERVICES[name]["depends_on"]) >= {"airflow-init", "mongo-init"}


def test_scheduler_waits_for_the_api_server_to_which_its_tasks_report():
    assert SERVICES["airflow-scheduler"]["depends_on"]["airflow-api-server"]["condition"] == "service_healthy"


def test_variables_are_written_in_the_two_allowed_forms():
    without_comments = "\n".join(line for line in TEXT.splitlines() if not line.lstrip().startswith("#"))
    assert "$" not in VARIABLE.sub("", without_comments)


def test_variables_and_the_example_name_the_same():
    assert {match["name"] for match in VARIABLE.finditer(TEXT)} - {None} == set(EXAMPLE)


@pytest.mark.parametrize(
    ("name", "kind", "rest"),
    sorted({(m["name"], m["kind"], m["rest"]) for m in VARIABLE.finditer(TEXT) if m["name"]}),
)
def test_secrets_are_demanded_and_settings_default_to_the_example(name, kind, rest):
    if SECRET.fullmatch(name):
        assert kind == "?"
        assert EXAMPLE[name] == "", "an example secret would be used as it is: leave it empty, compose then refuses"
    else:
        assert (kind, rest) == ("-", EXAMPLE[name])


def test_no_variable_with_a_secret_name_is_written_out():
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            if SECRET.fullmatch(variable):
                assert "${" in value


def test_env_itself_is_kept_out_of_git_and_of_the_image():
    assert ".env" in (ROOT / ".gitignore").read_text().split()
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = re.findall(r"^COPY --chown=airflow:0 (\S+?)/? ", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    assert allowed == copied
    assert "*" in (ROOT / ".dockerignore").read_text().splitlines()


def test_documented_command_fills_in_every_secret(tmp_path):
    (command,) = re.findall(r"^for secret in .*$", DEPLOY, flags=re.MULTILINE)
    shutil.copy(ROOT / ".env.example", tmp_path / ".env")
    subprocess.run(["/bin/sh", "-euc", command], cwd=tmp_path, check=True, timeout=60)  # noqa: S603 - our own line
    lines = (tmp_path / ".env").read_text().splitlines()
    filled = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
    secrets = {name: value for name, value in filled.items() if SECRET.fullmatch(name)}
    assert len(set(secrets.values())) == len(secrets) == sum(map(bool, map(SECRET.fullmatch, EXAMPLE)))
    assert all(re.fullmatch(r"[\w=-]+", value) for value in secrets.values())
    # HS512, by which Airflow signs its tokens, wants a key of 64 bytes; Fernet takes 32 bytes, as 44 characters.
    assert {len(value) for name, value in secrets.items() if name != "AIRFLOW_FERNET_KEY"} == {64}
    assert {name: value for name, value in filled.items() if name not in secrets} == {
        name: value for name, value in EXAMPLE.items() if name not in secrets
    }
    Fernet(filled["AIRFLOW_FERNET_KEY"])


def test_volumes_are_declared_and_used():
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    assert {mount.split(":")[0] for mount in mounts} == set(COMPOSE["volumes"])


def test_alarms_are_written_to_a_volume():
    """Else they would be lost whenever a container is made anew: with every upgrade, and every new password."""
    for name in {name for name in SERVICES if name.startswith("airflow-")} - ONE_SHOT:
        file = SERVICES[name]["environment"]["TENDER_SYNC_NOTIFICATIONS"]
        assert any(file.startswith(f"{mount.split(':')[1]}/") for mount in SERVICES[name]["volumes"])


def test_airflow_settings_exist_in_this_version_of_airflow():
    spec = importlib.util.find_spec("airflow")
    assert spec is not None
    assert spec.origin is not None
    known = yaml.safe_load((Path(spec.origin).parent / "config_templates" / "config.yml").read_text())
    for service in SERVICES.values():
        for variable in service.get("environment", {}):
            if variable.startswith("AIRFLOW__"):
                section, option = variable.removeprefix("AIRFLOW__").lower().split("__")
                assert option in known[section]["options"], variable


def test_image_is_of_the_version_that_is_tested():
    (tag,) = re.findall(r"^FROM apache/airflow:(\S+)$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    assert tag == f"{importlib.metadata.version('apache-airflow')}-python3.12"


def test_connections_are_json_that_the_hooks_understand():
    environment = SERVICES["airflow-scheduler"]["environment"]
    connections = {
        name.removeprefix("AIRFLOW_CONN_"): json.loads(_interpolate(value, _filled()))
        for name, value in environment.items()
        if name.startswith("AIRFLOW_CONN_")
    }
    assert connections == {
        "FIND_A_TENDER_API": {"conn_type": "http", "host": "https://www.find-tender.service.gov.uk"},
        "CONTRACTS_FINDER_API": {"conn_type": "http", "host": "https://www.contractsfinder.service.gov.uk"},
        "TENDHUNT_MONGO": {
            "conn_type": "mongo",
            "host": "mongo",
            "port": 27017,
            "schema": "tendhunt",
            "login": "tendhunt",
            "password": "Zz09-_=",
            "extra": {"replicaSet": "rs0", "authSource": "tendhunt"},
        },
    }
