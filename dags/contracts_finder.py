"""Contracts Finder → MongoDB, every hour. `source_dag` makes the tasks, the trigger form and the documentation."""

# Airflow reads a file for DAGs only if both words, airflow and dag, are in it.
from tender_sync.orchestration.dags import source_dag
from tender_sync.sources import CONTRACTS_FINDER

dag = source_dag(CONTRACTS_FINDER)
