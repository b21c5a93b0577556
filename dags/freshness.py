"""Is everything as fresh as it should be? Every half hour.

| task | it fails when | it is skipped when |
|---|---|---|
| `check_…` of each source | the source is stale | that has been said already, or the source never ran |

Stale is: syncing, and the watermark is older than three hours; or backfilling, and it has not moved for three hours.

A source fails **once**, with a message that says how stale it is and why; until it has been fresh again, later checks
are skipped. A backfill that goes on for days is not stale. The failed task notifies as `notify` below says: a line in
`notifications.jsonl`, or any of Airflow's notifiers (docs/OPERATIONS.md has the one for e-mail).
"""

from __future__ import annotations

# Airflow reads a file for DAGs only if both words, airflow and dag, stand in it.
from tender_sync.orchestration.notifiers import AppendToFile
from tender_sync.orchestration.watch_dags import freshness_dag

dag = freshness_dag(doc_md=__doc__, notify=[AppendToFile()])
