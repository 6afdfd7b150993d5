"""Upkeep carries out a team's written maintenance guide with Apache Airflow."""
