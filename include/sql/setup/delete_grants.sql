-- What the role of the target's `maintain` Connection needs to delete archived rows of a log whose class says `delete: true`
-- (config/retention.yaml), beside what `python -m upkeep grants archive` prints.
GRANT DELETE ON {schema}.{table} TO {role};
