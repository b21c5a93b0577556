"""Is everything as fresh as it should be? Every half hour.

| task | it fails when | it is skipped when |
|---|---|---|
| `check_…` of each source | the source is stale | a check has failed for it already, or the source never ran |

A source is stale when it is syncing and its watermark is older than three hours, or when it is backfilling and its
watermark has not moved for three hours. A backfill that goes on for days is not stale.

A source fails **once**, with a message that says how stale it is and why. Later checks are skipped until it has been
fresh again. The failed task notifies as `notify` below says: a line in `notifications.jsonl`, or any of Airflow's
notifiers (docs/OPERATIONS.md has the one for e-mail).
"""

# Airflow reads a file for DAGs only if both words, airflow and dag, are in it.
from tender_sync.orchestration.dags import freshness_dag
from tender_sync.orchestration.notifiers import AppendToFile

dag = freshness_dag(doc_md=__doc__, notify=[AppendToFile()])
