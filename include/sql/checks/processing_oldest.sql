-- G83: how far the log of processing reaches back, by the first entry of its time index.
SELECT min(p.{time}) AS oldest FROM {schema}.{table} p
