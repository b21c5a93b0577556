"""Does MongoDB hold everything that the APIs list? Every Sunday after the installation, and whenever triggered.

The audit lists a range again in **windows of another size** than the sync's, and compares notice ids and versions with
the contracts. What is missing or older is brought in through the same transaction as any page. Cursor and watermark
never move.

| task | what it does | it is skipped when |
|---|---|---|
| `audit_…` of each source | audits eight days, and what the last audit did not reach | it backfills, or is not chosen |

**A task fails, after everything is repaired, when something was missing**: the sync had passed over it. Clear the task
to audit the range again. Each audit is a document in `syncAudits`. While an audit is at work, the hourly run of its
source is skipped.
"""

# Airflow reads a file for DAGs only if both words, airflow and dag, are in it.
from tender_sync.orchestration.dags import audit_dag
from tender_sync.orchestration.notifiers import AppendToFile

dag = audit_dag(doc_md=__doc__, notify=[AppendToFile()])
