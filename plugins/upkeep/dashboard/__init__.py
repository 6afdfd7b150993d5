"""The pages that Airflow's api-server shows: FastAPI apps over the ledger."""
