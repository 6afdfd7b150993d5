"""What the ledger and Airflow know of a run, gathered for its report: steps, history, plan, signatures."""
