"""Airflow: operators, sensors and the vocabulary that DAG files are written in."""
