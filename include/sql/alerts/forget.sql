-- Alerts that have been over for so long, with what people were told of them; one whose end somebody waits for stays.
WITH old AS (
    SELECT id FROM upkeep.alerts WHERE settled AND ended_at < %(before)s
),
told AS (
    DELETE FROM upkeep.tellings t USING old WHERE t.alert_id = old.id
)
DELETE FROM upkeep.alerts a USING old WHERE a.id = old.id
