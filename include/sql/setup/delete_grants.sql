-- What the role of the target's `maintain` Connection needs to delete archived rows of a log whose class says `delete: true`
-- (config/retention.yaml), beside what `python -m upkeep grants archive` prints.
-- Of a log that is partitioned by time whole partitions are dropped in place of rows, which only their owner may: make the role
-- a member of it, or their owner. The check of retention says which partitions it may not drop, and the statement for it.
GRANT DELETE ON {schema}.{table} TO {role};
