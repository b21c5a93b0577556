"""Contracts Finder → MongoDB, every hour.

What is new or changed on **Contracts Finder** since the last run goes into `contracts` and `buyers`. The first runs
read the whole history from 2016-11-01 (*backfilling*: some 29 hours for each million releases, at twelve requests in
two minutes); when it is complete, the source is *syncing*.

| task | what it does | it is skipped when |
|---|---|---|
| `sync` | fetches, maps and upserts pages from where the last run stopped | another run holds the source |
| `backfill_completed` | catches the transition to syncing, once for ever | this run did not complete the backfill |
| `recount_buyers`, `announce_transition` | what hangs on the transition | the same |

Where it is: the document `{source: "CONTRACTS_FINDER"}` in `syncJobs`. A failed run loses nothing: the next one goes on
from the last committed page. Trigger it with a smaller budget to try something out.
"""

from __future__ import annotations

# Airflow reads a file for DAGs only if both words, airflow and dag, stand in it.
from tender_sync.orchestration.dags import source_dag
from tender_sync.sources import CONTRACTS_FINDER

dag = source_dag(CONTRACTS_FINDER, doc_md=__doc__)
