"""Make stored contracts anew with the mapper as it is now; no request is made. Triggered by hand only.

Every contract keeps the release it was made of (`rawData`) and the version of the mapper that made it
(`mapperVersion`). After an update of this package whose mapper, or whose rules of buyers (docs/BUYERS.md) or of
superseded notices (docs/LINEAGE.md) have changed, trigger this DAG:

1. with **dry run** on, as it is by default: nothing is written; the log shows a sample of what would change, and how
   many contracts in which fields;
2. with it off: the same is written, where a contract differs, in batches of 100. Buyers, their counts and who
   supersedes whom move along in each batch's transaction; what the web app has added stays.

Syncs may run meanwhile. A run that ends early (time budget, or marked failed) has lost nothing: trigger it again, and
it goes on from its last batch, as kept in `syncRemaps`. Rejected releases are tried again by the mode *replay rejected*
of the source's own DAG.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param

from tender_sync.orchestration.dags import DAG_DEFAULTS, TASK_DEFAULTS
from tender_sync.orchestration.operators import RemapContractsOperator
from tender_sync.orchestration.params import time_budget
from tender_sync.sources import SOURCES

with DAG(
    dag_id="remap_contracts",
    description="Make stored contracts anew with the current mapper, without the APIs",
    doc_md=__doc__,
    schedule=None,
    tags=["tendhunt", "ocds"],
    default_args={**TASK_DEFAULTS, "retries": 0},  # who triggers it looks at it
    params={
        "source": Param(
            "both",
            type="string",
            enum=["both", *SOURCES],
            title="Source",
            description="Whose contracts are made anew.",
        ),
        "dry_run": Param(
            True,
            type="boolean",
            title="Dry run",
            description="Write nothing; only say in the log what would change.",
        ),
        "time_budget_minutes": time_budget(55),
    },
    **DAG_DEFAULTS,
) as dag:
    RemapContractsOperator(task_id="remap")
