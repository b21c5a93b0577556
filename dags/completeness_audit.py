"""Does MongoDB hold all that the APIs list? Every Sunday, and whenever asked.

What each API lists for a range is read once more, in **windows of another size** than the sync's, and compared with the
contracts by notice id and version. What is missing or older is brought in through the same transaction as any page.
Cursor and watermark never move.

| task | what it does | it is skipped when |
|---|---|---|
| `audit_…` of each source | audits eight days, and what the last audit did not reach | it backfills, or is not chosen |

**A task fails, once all is repaired, when something had been missing**: then the sync had passed over it. Clear it to
audit the range again. Each audit is a document in `syncAudits`. While one is at work, the hourly run of its source
skips.
"""

from __future__ import annotations

# Airflow reads a file for DAGs only if both words, airflow and dag, stand in it.
from tender_sync.orchestration.notifiers import AppendToFile
from tender_sync.orchestration.watch_dags import audit_dag

dag = audit_dag(doc_md=__doc__, notify=[AppendToFile()])
