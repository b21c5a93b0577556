"""Maps stored releases again with the present mapper, and rewrites the contracts that differ. Triggered by hand only.

It makes no request. Every contract keeps its release (`rawData`) and the version of the mapper that made it
(`mapperVersion`). Trigger this DAG after an update of this package that changes the mapper, or the rules of buyers
(docs/BUYERS.md) or of superseded notices (docs/LINEAGE.md):

1. with **dry run** on, which is the default. Nothing is written. The log shows a sample of what would change, and how
   many contracts would change in which fields;
2. with dry run off. The contracts that differ are written in batches of 100, each in one transaction with their buyers,
   the buyers' counts and what supersedes what. Fields that the web app added stay.

Syncs may run meanwhile. A run that ends early (time budget spent, or marked failed) loses nothing: trigger the DAG
again, and it goes on after the last batch (kept in `syncRemaps`). Rejected releases are not mapped again here; use the
mode *replay rejected* of the source's own DAG.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param

from tender_sync.orchestration.dags import DAG_DEFAULTS, TASK_DEFAULTS
from tender_sync.orchestration.operators import RemapContractsOperator
from tender_sync.orchestration.params import source_choice, time_budget

with DAG(
    dag_id="remap_contracts",
    description="Map stored releases again with the present mapper, without the APIs",
    doc_md=__doc__,
    schedule=None,
    tags=["tendhunt", "ocds"],
    default_args={**TASK_DEFAULTS, "retries": 0},  # whoever triggers it watches it
    params={
        "source": source_choice("both", "The source whose contracts are remapped."),
        "dry_run": Param(
            True,
            type="boolean",
            title="Dry run",
            description="Write nothing; only log what would change.",
        ),
        "time_budget_minutes": time_budget(55),
    },
    **DAG_DEFAULTS,
) as dag:
    RemapContractsOperator(task_id="remap")
