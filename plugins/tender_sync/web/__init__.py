"""The page "Tender sync" in Airflow's UI, and the JSON it reads."""
