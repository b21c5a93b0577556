"""Find a Tender → MongoDB, every hour. `source_dag` makes the tasks, the trigger form and the documentation."""

# Airflow reads a file for DAGs only if both words, airflow and dag, are in it.
from tender_sync.orchestration.dags import source_dag
from tender_sync.sources import FIND_A_TENDER

dag = source_dag(FIND_A_TENDER)
