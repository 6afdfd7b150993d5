-- Since when there are samples of the watch: what came before has become hours.
SELECT min(slot) AS since FROM upkeep.watch_samples WHERE target = %(target)s
