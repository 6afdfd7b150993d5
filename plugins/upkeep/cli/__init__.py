"""``python -m upkeep``: what an operator types before Airflow takes over."""
