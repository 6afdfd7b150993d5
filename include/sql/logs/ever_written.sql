-- Whether a log has ever held a row: one that never did says nothing by having none now.
SELECT EXISTS (SELECT FROM {schema}.{table}) AS written
