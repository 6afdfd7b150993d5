-- Hours that are older than config keeps them.
DELETE FROM upkeep.watch_hours WHERE hour < %(before)s
