"""Airflow's side: DAGs, operators, the sensor, the trigger forms, the metrics."""
