"""The DAG remap_contracts as the UI triggers it: a dry run unless said otherwise, one source or both."""

from __future__ import annotations

import pytest
from airflow.dag_processing.dagbag import DagBag

from tests.conftest import ROOT
from tests.integration.oracle import problems


@pytest.fixture
def trigger(metadata):  # noqa: ARG001 - a fixture cannot be marked to use one
    def run(**conf):
        dag = DagBag(ROOT / "dags" / "remap_contracts.py").dags["remap_contracts"]
        ended = dag.test(run_conf=conf or None)
        return str(ended.state)

    return run


def test_nothing_is_written_until_a_person_says_so(trigger, world):
    world.run()
    world.db.contracts.update_many({}, {"$set": {"title": "old", "mapperVersion": 0}})
    old = {"title": "old"}
    contracts = world.db.contracts.count_documents({})

    assert trigger() == "success"
    assert world.db.contracts.count_documents(old) == contracts

    other = next(name for name in ("FIND_A_TENDER", "CONTRACTS_FINDER") if name != world.source.name)
    assert trigger(dry_run=False, source=other) == "success"
    assert world.db.contracts.count_documents(old) == contracts

    assert trigger(dry_run=False) == "success"
    assert problems(world) == []
