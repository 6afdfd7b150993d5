-- The pages ask for little of much, and the ledger's indexes are in memory: as if on a disk that turns, the planner would read all
-- steps of all targets for those of a hundred windows. Remembering what has been looked up (memoize) costs more than it saves where
-- each step is looked up once.
SELECT set_config('random_page_cost', '1.1', true), set_config('enable_memoize', 'off', true)
