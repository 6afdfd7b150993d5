-- The pages ask for little of much, and the ledger's indexes are in memory: as if on a disk that turns, the planner would read all
-- steps of all targets for those of a hundred windows.
SET LOCAL random_page_cost = 1.1
