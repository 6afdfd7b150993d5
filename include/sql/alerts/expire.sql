-- Messages of channels that nobody set up any more do not wait for ever.
UPDATE upkeep.outbox
SET state = 'dead', error = 'its channel is no longer set up'
WHERE state = 'due' AND channel <> ALL (%(channels)s) AND made_at < %(before)s
